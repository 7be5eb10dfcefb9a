-- Add a warning to a job, once, fenced.
-- ARGV: job id, execution id, warning
local id = ARGV[1]
if not holds(id, ARGV[2]) then return 0 end
return redis.call('HSETNX', job_key(id), 'warning:' .. redis.sha1hex(ARGV[3]), ARGV[3])
