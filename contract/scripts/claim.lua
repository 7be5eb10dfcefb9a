-- Take a waiting job under a lease; choosing and claiming are one step, so that no crash can come between.
--
-- Tenants take turns, and what of the tenant's own is next its line says. Two things come in between, and neither goes on
-- for ever. Of the first WINDOW jobs a worker takes the first whose model it has in memory, unless the very first has
-- waited for as long as the routing patience. Of a tenant's jobs that are passed over for more urgent ones, the oldest
-- has every fourth turn of the tenant's once it has waited for as long as the priority patience.
-- A worker that is full takes no job of the tenants who have filled it: these are passed over.
--
-- A suspect, a job whose execution was lost before, runs alone: a worker that runs one takes no other, and where one is
-- next, a worker that runs anything takes nothing until it has become idle. So nobody is harmed by it again, and it is
-- not overtaken for ever.
-- ARGV: worker name, execution id, lease seconds, routing patience seconds, priority patience seconds,
--       tenants that are passed over, separated by commas, then the models that the worker has in memory
-- Returns the job id, or false when nothing waits that may run here and now; asked again with the same execution id,
-- as after a lost answer, the same job id
local WINDOW, PASSED_OVER = 16, 3
local worker, execution = ARGV[1], ARGV[2]
local crew = redis.call('SMEMBERS', crew_key(worker))
local resident, passed_over = {}, {}
for at = 7, #ARGV do resident[ARGV[at]] = true end
for tenant in string.gmatch(ARGV[6], '[^,]+') do passed_over[tenant] = true end

local function waits_longer(id, patience)
    local created = id and redis.call('HGET', job_key(id), 'created_at')
    return created and clock() - tonumber(created) > tonumber(patience)
end

local function is_suspect(id) return redis.call('HGET', job_key(id), 'suspect') == '1' end

local function has_to_wait(id) return #crew > 0 and is_suspect(id) end

-- A record without a model is an older version's, and suits every worker.
local function suits(id)
    local model = redis.call('HGET', job_key(id), 'model')
    return (not model or resident[model]) and not has_to_wait(id)
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

local function passed_key(tenant) return 'passed@' .. tenant end

-- The job that is passed over too often, if there is one; it has the next turn, until it is taken.
local function overdue(tenant, first)
    local oldest = redis.call('ZRANGE', status_key('queued', tenant), 0, 0)[1]
    if oldest == first or not waits_longer(oldest, ARGV[5]) then return nil end
    return redis.call('HINCRBY', GIVEN, passed_key(tenant), 1) > PASSED_OVER and oldest or nil
end

-- The first jobs of a tenant, all of the same priority.
local function front(tenant, most)
    local line = line_key(tenant)
    local first = tonumber(redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')[2])
    local last = string.format('%.0f', (math.floor(first / RANK) + 1) * RANK)
    return redis.call('ZRANGEBYSCORE', line, '-inf', '(' .. last, 'LIMIT', 0, most)
end

local function choose(tenants, first)
    local late = overdue(tenants[1], first)
    if late or #ARGV < 7 or waits_longer(first, ARGV[4]) then return late or first, tenants[1], late end
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
        local first = front(tenants[1], 1)[1]
        if has_to_wait(first) then return nil end
        local id, tenant, late = choose(tenants, first)
        if has_to_wait(id) then return nil end
        if late then redis.call('HDEL', GIVEN, passed_key(tenant)) end
        redis.call('LREM', QUEUE, 1, id)
        if redis.call('HGET', job_key(id), 'status') == 'queued' then return id, tenant end
        leave_line(id, tenant, 0)
    end
end

for _, running in ipairs(crew) do
    if redis.call('HGET', job_key(running), 'execution') == execution then return running end
    if is_suspect(running) then return false end
end
adopt()
local id, tenant = take()
if not id then return false end
if ARGV[6] == '' then redis.call('HSET', GIVEN, '', redis.call('ZSCORE', TURNS, tenant)) end
local now = clock()
local attempt = redis.call('HINCRBY', job_key(id), 'attempt', 1)
move(id, 'running')
redis.call('HSET', job_key(id), 'worker', worker, 'execution', execution, 'started_at', seconds(now))
redis.call('ZADD', LEASES, seconds(now + tonumber(ARGV[3])), id)
redis.call('SADD', crew_key(worker), id)
if #crew > 0 then
    for _, member in ipairs({id, unpack(crew)}) do redis.call('HSET', job_key(member), 'company', '1') end
end
-- RQ never reaps what never expires: only our own reaper, under its own lease, may take a job back.
redis.call('ZADD', WIP, '+inf', id .. ':' .. execution)
redis.call('HSET', rq_key(id), 'status', 'started', 'worker_name', worker)
if attempt == 1 then observe('wait', now - tonumber(redis.call('HGET', job_key(id), 'created_at')), BOUNDS) end
emit(id, 'started', '{"attempt":' .. attempt .. '}')
return id
