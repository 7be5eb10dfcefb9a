-- Take a job of the queue under a lease; pop and claim are one step, so that no crash can come between.
-- A worker takes the first of the first WINDOW jobs whose model it has in memory; the head, when there is none, or when
-- the head is older than the patience. As no job is older than one that stands before it, a job that has waited for as
-- long as the patience is overtaken by nobody from then on.
-- ARGV: worker name, execution id, lease seconds, patience seconds, then the models that the worker has in memory
-- Returns the job id, or false when nothing waits
local WINDOW = 16
local worker, execution = ARGV[1], ARGV[2]
local resident = {}
for at = 5, #ARGV do resident[ARGV[at]] = true end

-- A record without a model is an older version's, and suits every worker.
local function suits(id)
    local model = redis.call('HGET', job_key(id), 'model')
    return not model or resident[model]
end

local function choose()
    local ids = redis.call('LRANGE', QUEUE, 0, WINDOW - 1)
    local created = ids[1] and redis.call('HGET', job_key(ids[1]), 'created_at')
    if #ARGV < 5 or not created or clock() - tonumber(created) > tonumber(ARGV[4]) then return ids[1] end
    for _, id in ipairs(ids) do
        if suits(id) then return id end
    end
    return ids[1]
end

while true do
    local id = choose()
    if not id then return false end
    redis.call('LREM', QUEUE, 1, id)
    if redis.call('HGET', job_key(id), 'status') == 'queued' then
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
    end
end
