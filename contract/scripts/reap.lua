-- Take back the jobs whose lease has ended; one script, so two reapers cannot take the same job twice.
-- ARGV: max attempts, failure as JSON, retention seconds
-- Returns the ids
local ids = redis.call('ZRANGEBYSCORE', LEASES, '-inf', seconds(clock()))
if #ids > 0 then redis.call('HINCRBY', STATISTICS, 'returned:expired', #ids) end
for at = #ids, 1, -1 do recover(ids[at], tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])) end
return ids
