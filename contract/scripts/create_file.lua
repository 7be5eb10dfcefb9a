-- Make the record of a file whose bytes are stored.
-- ARGV: file id, seconds to live, tenant, then fields and values of its record
-- Returns the fields and values of the record
create_file(ARGV[1], tonumber(ARGV[2]), ARGV[3], {unpack(ARGV, 4)})
return redis.call('HGETALL', file_key(ARGV[1]))
