-- Have a delivery tried again, from now on and as if it had never been.
-- ARGV: job id, delivery id
-- Returns the fields and values of the delivery, or false when the job has no such delivery
local delivery = ARGV[2]
if not redis.call('LPOS', deliveries_key(ARGV[1]), delivery) then return false end
redis.call('HDEL', delivery_key(delivery), 'claim')
redis.call('HSET', delivery_key(delivery), 'status', 'pending', 'tries', 0, 'asked_again', 1)
schedule_delivery(delivery, clock())
return redis.call('HGETALL', delivery_key(delivery))
