-- Say how a try to deliver ended, fenced by its claim. A URL that is gone is disabled; one that answers is not any more.
-- ARGV: delivery id, claim, status after it, attempt as JSON ('' = none was made), seconds to the next try,
--       key that says that the URL is disabled, how long it is
-- Returns 1, or 0 when the delivery is another process's by now, or removed
local MAX_ATTEMPTS_KEPT = 20
local delivery, status = ARGV[1], ARGV[3]
if redis.call('HGET', delivery_key(delivery), 'claim') ~= ARGV[2] then return 0 end
redis.call('HDEL', delivery_key(delivery), 'claim')
redis.call('HSET', delivery_key(delivery), 'status', status)
if ARGV[4] ~= '' then
    local number = redis.call('HINCRBY', delivery_key(delivery), 'num_attempts', 1)
    redis.call('HINCRBY', delivery_key(delivery), 'tries', 1)
    redis.call('HSET', delivery_key(delivery), 'attempt:' .. number, ARGV[4])
    redis.call('HDEL', delivery_key(delivery), 'attempt:' .. number - MAX_ATTEMPTS_KEPT)
    redis.call('HINCRBY', STATISTICS, 'delivery_attempts', 1)
    if status == 'disabled' then redis.call('SET', ARGV[6], 1, 'EX', ARGV[7]) end
    if status == 'succeeded' then redis.call('DEL', ARGV[6]) end
end
if status == 'pending' then
    schedule_delivery(delivery, clock() + tonumber(ARGV[5]))
else
    unschedule_delivery(delivery)
    redis.call('HDEL', delivery_key(delivery), 'asked_again')
    redis.call('HINCRBY', STATISTICS, 'delivered:' .. status, 1)
end
return 1
