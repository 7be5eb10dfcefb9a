-- Take a waiting job under a lease; choosing and claiming are one step, so that no crash can come between.
--
-- Tenants take turns, and what of the tenant's own is next its line says. Two things come in between, and neither goes on
-- for ever. Of the first WINDOW jobs a worker takes the first whose model it has in memory, unless the very first has
-- waited for as long as the routing patience. Of a tenant's jobs that are passed over for more urgent ones, the oldest
-- has every fourth turn of the tenant's once it has waited for as long as the priority patience.
-- A worker that is full takes no job of the tenants who have filled it: these are passed over.
-- An execution that has claimed a job already is told of that one again: its worker has not had the answer.
-- ARGV: worker name, execution id, lease seconds, routing patience seconds, priority patience seconds,
--       tenants that are passed over, separated by commas, then the models that the worker has in memory
-- Returns the job id, or false when nothing waits that may run
local WINDOW, PASSED_OVER = 16, 3
local worker, execution = ARGV[1], ARGV[2]
local resident, passed_over = {}, {}
for at = 7, #ARGV do resident[ARGV[at]] = true end
for tenant in string.gmatch(ARGV[6], '[^,]+') do passed_over[tenant] = true end

local function waits_longer(id, patience)
    local created = id and redis.call('HGET', job_key(id), 'created_at')
    return created and clock() - tonumber(created) > tonumber(patience)
end

-- A record without a model is an older version's, and suits every worker.
local function suits(id)
    local model = redis.call('HGET', job_key(id), 'model')
    return not model or resident[model]
end

-- Whether a tenant's first job has to wait for one of the tenant's that run.
local function is_held_back(tenant)
    local first = redis.call('ZRANGE', line_key(tenant), 0, 0)[1]
    local most = redis.call('HGET', job_key(first), 'max_running')
    return most and redis.call('ZCARD', status_key('running', tenant)) >= tonumber(most)
end

-- The tenants whose turn it is, the first one first.
local function in_turn()
    local tenants = {}
    for _, tenant in ipairs(redis.call('ZRANGE', TURNS, 0, -1)) do
        if not passed_over[tenant] and not is_held_back(tenant) then tenants[#tenants + 1] = tenant end
        if #tenants == WINDOW then break end
    end
    return tenants
end

-- Puts what is in RQ's queue alone into the lines: a job that an older version has admitted. What has no record goes.
local function adopt()
    local count = 0
    for _, tenant in ipairs(redis.call('ZRANGE', TURNS, 0, -1)) do count = count + redis.call('ZCARD', line_key(tenant)) end
    if count == redis.call('LLEN', QUEUE) then return end
    for _, id in ipairs(redis.call('LRANGE', QUEUE, 0, -1)) do
        if redis.call('HGET', job_key(id), 'status') == 'queued' then
            enter_line(id, place_of(id))
        else
            redis.call('LREM', QUEUE, 1, id)
        end
    end
end

-- The job that is passed over too often, if there is one.
local function overdue(tenant, first)
    local oldest = redis.call('ZRANGE', status_key('queued', tenant), 0, 0)[1]
    if oldest == first or not waits_longer(oldest, ARGV[5]) then return nil end
    local passed = 'passed@' .. tenant
    if redis.call('HINCRBY', GIVEN, passed, 1) <= PASSED_OVER then return nil end
    redis.call('HDEL', GIVEN, passed)
    return oldest
end

-- The first jobs of a tenant, all of the same priority.
local function front(tenant, most)
    local line = line_key(tenant)
    local first = tonumber(redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')[2])
    local last = string.format('%.0f', (math.floor(first / RANK) + 1) * RANK)
    return redis.call('ZRANGEBYSCORE', line, '-inf', '(' .. last, 'LIMIT', 0, most)
end

local function choose(tenants)
    local first = front(tenants[1], 1)[1]
    local late = overdue(tenants[1], first)
    if late or #ARGV < 7 or waits_longer(first, ARGV[4]) then return late or first, tenants[1] end
    for _, tenant in ipairs(tenants) do
        for _, id in ipairs(front(tenant, math.ceil(WINDOW / #tenants))) do
            if suits(id) then return id, tenant end
        end
    end
    return first, tenants[1]
end

-- Takes the next job out of RQ's queue; an id in a line whose record is gone leaves the line.
local function take()
    while true do
        local tenants = in_turn()
        if #tenants == 0 then return nil end
        local id, tenant = choose(tenants)
        redis.call('LREM', QUEUE, 1, id)
        if redis.call('HGET', job_key(id), 'status') == 'queued' then return id, tenant end
        leave_line(id, tenant, 0)
    end
end

-- What this execution has claimed and holds.
local function claimed()
    for _, held in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do
        if holds(held, execution) then return held end
    end
end

local again = claimed()
if again then return again end
adopt()
local id, tenant = take()
if not id then return false end
if ARGV[6] == '' then redis.call('HSET', GIVEN, '', redis.call('ZSCORE', TURNS, tenant)) end
local now = clock()
local attempt = redis.call('HINCRBY', job_key(id), 'attempt', 1)
move(id, 'running')
redis.call('HSET', job_key(id), 'worker', worker, 'execution', execution, 'started_at', seconds(now))
redis.call('ZADD', LEASES, seconds(now + tonumber(ARGV[3])), id)
-- RQ never reaps what never expires: only our own reaper, under its own lease, may take a job back.
redis.call('ZADD', WIP, '+inf', id .. ':' .. execution)
redis.call('HSET', rq_key(id), 'status', 'started', 'worker_name', worker)
if attempt == 1 then observe('wait', now - tonumber(redis.call('HGET', job_key(id), 'created_at')), BOUNDS) end
emit(id, 'started', '{"attempt":' .. attempt .. '}')
return id
