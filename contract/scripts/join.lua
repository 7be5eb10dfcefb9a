-- Count a call among those that follow a job; one that has ended has no followers.
-- ARGV: job id, follower
local id = ARGV[1]
local status = redis.call('HGET', job_key(id), 'status')
if status == 'queued' or status == 'running' then redis.call('SADD', followers_key(id), ARGV[2]) end
