-- Say what jobs are predicted to need of which that was unknown; jobs that have ended meanwhile are passed over.
-- ARGV: job id and microseconds of device time of each
for at = 1, #ARGV, 2 do
    local id, work = ARGV[at], ARGV[at + 1]
    if redis.call('ZREM', UNWEIGHED, id) == 1 then
        redis.call('HSET', job_key(id), 'work', work)
        local job = redis.call('HMGET', job_key(id), 'work', 'step', 'total_steps', 'status')
        if job[4] == 'queued' then add_waiting(place_of(id), tonumber(work)) end
        if job[4] == 'running' then set_running_work(id, work_left(job)) end
    end
end
