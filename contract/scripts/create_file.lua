-- Make the record of a file whose bytes are stored.
-- ARGV: file id, seconds to live, tenant, then fields and values of its record
-- Returns the fields and values of the record
local id, tenant = ARGV[1], ARGV[3]
if redis.call('EXISTS', file_key(id)) == 0 then
    local now = clock()
    local expires = seconds(now + tonumber(ARGV[2]))
    redis.call('HSET', file_key(id), 'created_at', seconds(now), 'expires_at', expires, unpack(ARGV, 4))
    if tenant ~= PUBLIC then redis.call('HSET', file_key(id), 'tenant', tenant) end
    redis.call('ZADD', files_key(tenant), redis.call('INCR', 'safelight:files:sequence'), id)
    redis.call('ZADD', EXPIRING_FILES, expires, id)
end
return redis.call('HGETALL', file_key(id))
