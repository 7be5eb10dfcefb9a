-- End a job, fenced: only the execution that holds the lease decides how it ended.
-- ARGV: job id, execution id, status, failure as JSON ('' = none), retention seconds, what was made, as JSON, if anything,
--       and if that is a file of the tenant's, too: its id, seconds to live, then fields and values of its record
-- Returns 1, or 0 when the lease is another's by now
local id = ARGV[1]
if not holds(id, ARGV[2]) then return 0 end
if ARGV[3] == 'succeeded' then
    redis.call('HSET', job_key(id), 'step', redis.call('HGET', job_key(id), 'total_steps'), 'eta_seconds', '0')
end
if ARGV[6] then redis.call('HSET', job_key(id), 'result', ARGV[6]) end
if ARGV[7] then create_file(ARGV[7], tonumber(ARGV[8]), tenant_of(job_key(id)), {unpack(ARGV, 9)}) end
finish(id, ARGV[3], ARGV[4], tonumber(ARGV[5]))
return 1
