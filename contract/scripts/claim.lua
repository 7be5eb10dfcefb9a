-- Take the next job of the queue under a lease; pop and claim are one step, so that no crash can come between.
-- ARGV: worker name, execution id, lease seconds
-- Returns the job id, or false when nothing waits
local worker, execution = ARGV[1], ARGV[2]
while true do
    local id = redis.call('LPOP', QUEUE)
    if not id then return false end
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
