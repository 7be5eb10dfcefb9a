-- Remove an ended job and everything that names it.
-- ARGV: job id
-- Returns the status that the call found, or false when there is no such job
local id = ARGV[1]
local found = redis.call('HMGET', job_key(id), 'status', 'idempotency_key')
local registry = RQ_STATUS[found[1]]
if not registry then return found[1] end
redis.call('ZREM', status_key(found[1]), id)
redis.call('ZREM', 'safelight:jobs', id)
redis.call('ZREM', EXPIRING, id)
redis.call('ZREM', rq_registry(registry), id)
if found[2] and found[2] ~= '' then redis.call('DEL', idempotency_key(found[2])) end
for _, delivery in ipairs(redis.call('LRANGE', deliveries_key(id), 0, -1)) do forget_delivery(id, delivery) end
redis.call('DEL', job_key(id), rq_key(id), events_key(id), 'safelight:previews:' .. id)
return found[1]
