-- Take deliveries that are due, so that no other process does until the lease ends.
-- ARGV: claim, lease seconds, at most how many
-- Returns for each {delivery id, its fields and values, the fields and values of its job when the event happened}
local now = clock()
local claimed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', OUTBOX, '-inf', seconds(now), 'LIMIT', 0, ARGV[3])) do
    redis.call('ZADD', OUTBOX, seconds(now + tonumber(ARGV[2])), id)
    redis.call('HSET', delivery_key(id), 'claim', ARGV[1])
    redis.call('HDEL', delivery_key(id), 'next_at')
    claimed[#claimed + 1] = {id, redis.call('HGETALL', delivery_key(id)), redis.call('HGETALL', told_key(id))}
end
return claimed
