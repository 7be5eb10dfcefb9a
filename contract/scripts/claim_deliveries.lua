-- Take deliveries that are due, so that no other process does until the lease ends; a receiver's share of them is
-- limited, and those with the oldest come first, so that one with many, or one that hangs, stands in nobody's way.
-- ARGV: claim, lease seconds, at most how many, at most how many of one receiver, then receivers to pass over
-- Returns for each {delivery id, its fields and values, the fields and values of its job when the event happened}
local now, limit = clock(), tonumber(ARGV[3])
local passed_over, claimed = {}, {}
for at = 5, #ARGV do passed_over[ARGV[at]] = true end

local function claim(delivery)
    redis.call('ZADD', outbox_key(receiver_of(delivery)), seconds(now + tonumber(ARGV[2])), delivery)
    redis.call('HSET', delivery_key(delivery), 'claim', ARGV[1])
    redis.call('HDEL', delivery_key(delivery), 'next_at')
    return {delivery, redis.call('HGETALL', delivery_key(delivery)), redis.call('HGETALL', told_key(delivery))}
end

local due = redis.call('ZRANGEBYSCORE', RECEIVERS, '-inf', seconds(now), 'LIMIT', 0, limit + #ARGV - 4)
for _, receiver in ipairs(due) do
    local room = passed_over[receiver] and 0 or math.min(limit - #claimed, tonumber(ARGV[4]))
    if room > 0 then
        local waiting = redis.call('ZRANGEBYSCORE', outbox_key(receiver), '-inf', seconds(now), 'LIMIT', 0, room)
        for _, delivery in ipairs(waiting) do claimed[#claimed + 1] = claim(delivery) end
        settle_receiver(receiver)
    end
end
return claimed
