-- Ask for the end of a job: at once if it waits, at the next denoising step if it runs, not at all if it has ended.
-- ARGV: job id, retention seconds, tenant who asks ('' = the house)
-- Returns the status that the call found, or false when this tenant has no such job
local id = ARGV[1]
if foreign(job_key(id), ARGV[3]) then return false end
local status = redis.call('HGET', job_key(id), 'status')
if status == 'queued' then
    redis.call('LREM', QUEUE, 1, id)
    finish(id, 'cancelled', '', tonumber(ARGV[2]))
elseif status == 'running' then
    redis.call('HSET', job_key(id), 'cancel_requested', 1)
    redis.call('PUBLISH', 'safelight:cancellations', id)
end
return status
