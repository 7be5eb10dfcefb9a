-- Remove the record of a file whose bytes are gone.
-- ARGV: file id
local id = ARGV[1]
redis.call('ZREM', files_key(tenant_of(file_key(id))), id)
redis.call('DEL', file_key(id))
redis.call('ZREM', EXPIRING_FILES, id)
