-- A call follows a job no more; the last one may take the job with it.
-- ARGV: job id, follower, 'cancel' | 'keep' what is to become of a job that nobody follows any more, retention seconds
-- Returns 1 when that asked for the end of the job, else 0
local id = ARGV[1]
redis.call('SREM', followers_key(id), ARGV[2])
if ARGV[3] ~= 'cancel' or redis.call('EXISTS', followers_key(id)) == 1 then return 0 end
local status = cancel(id, tonumber(ARGV[4]))
return (status == 'queued' or status == 'running') and 1 or 0
