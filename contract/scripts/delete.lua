-- Remove an ended job and everything that names it.
-- ARGV: job id, tenant who asks ('' = the house)
-- Returns the status that the call found, or false when this tenant has no such job
local id = ARGV[1]
if foreign(job_key(id), ARGV[2]) then return false end
local tenant = tenant_of(job_key(id))
local found = redis.call('HMGET', job_key(id), 'status', 'idempotency_key')
local registry = RQ_STATUS[found[1]]
if not registry then return found[1] end
redis.call('ZREM', status_key(found[1], tenant), id)
redis.call('ZREM', jobs_key(tenant), id)
if redis.call('EXISTS', jobs_key(tenant)) == 0 then redis.call('SREM', TENANTS, tenant) end
redis.call('ZREM', EXPIRING, id)
redis.call('ZREM', rq_registry(registry), id)
local key = found[2] and found[2] ~= '' and idempotency_key(found[2])
if key and redis.call('HGET', key, 'job_id') == id then redis.call('DEL', key) end
for _, delivery in ipairs(redis.call('LRANGE', deliveries_key(id), 0, -1)) do forget_delivery(id, delivery) end
redis.call('DEL', job_key(id), rq_key(id), events_key(id), 'safelight:previews:' .. id)
return found[1]
