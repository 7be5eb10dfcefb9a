-- Make something visible that a running job has made on its way, fenced.
-- ARGV: job id, execution id, field of its record, value, 'once' (what is there stays) | 'anew', event, its data
-- Returns {1 when this value is the one that is visible, else 0; the value that it has replaced, or ''}
local id, field, value = ARGV[1], ARGV[3], ARGV[4]
local before = redis.call('HGET', job_key(id), field)
if before == value then return {1, ''} end
if not holds(id, ARGV[2]) or (before and ARGV[5] == 'once') then return {0, ''} end
redis.call('HSET', job_key(id), field, value)
emit(id, ARGV[6], ARGV[7])
return {1, before or ''}
