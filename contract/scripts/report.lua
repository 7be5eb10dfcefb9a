-- Progress of an execution, fenced.
-- ARGV: job id, execution id, step, eta seconds ('' = unknown), what was measured, as JSON ('' = nothing),
--       then pairs of event name and data
-- Returns 1, or 0 when the lease is another's by now
local id = ARGV[1]
if not holds(id, ARGV[2]) then return 0 end
redis.call('HSET', job_key(id), 'step', ARGV[3], 'eta_seconds', ARGV[4])
set_running_work(id, work_left(redis.call('HMGET', job_key(id), 'work', 'step', 'total_steps')))
if ARGV[5] ~= '' then redis.call('HSET', job_key(id), 'measured', ARGV[5]) end
for at = 6, #ARGV, 2 do emit(id, ARGV[at], ARGV[at + 1]) end
return 1
