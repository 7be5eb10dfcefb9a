-- Remove the record of a file whose bytes are gone.
-- ARGV: file id
local id = ARGV[1]
redis.call('DEL', file_key(id))
redis.call('ZREM', FILES, id)
redis.call('ZREM', EXPIRING_FILES, id)
