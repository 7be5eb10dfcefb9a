-- Write the records of keys, all of them or none, if no key was changed since they were read.
-- ARGV: version as it was read ('' = none), then id and record of each key
-- Returns 1, or 0 when somebody else was quicker
local same = true
for at = 2, #ARGV, 2 do same = same and redis.call('HGET', KEYS_HASH, ARGV[at]) == ARGV[at + 1] end
if same then return 1 end
if (redis.call('GET', KEYS_VERSION) or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS_HASH, unpack(ARGV, 2))
redis.call('INCR', KEYS_VERSION)
return 1
