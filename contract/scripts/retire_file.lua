-- Take a file out of use, so that its bytes may be removed: from now on no job can name it.
-- ARGV: file id, 'asked' by a client | 'expired', tenant who asks ('' = the house)
-- Returns 'retired' | 'unknown', which a client hears of an expired file and of another tenant's too | 'in_use', and then it can still be named
local id = ARGV[1]
if foreign(file_key(id), ARGV[3]) then return 'unknown' end
local record = redis.call('HMGET', file_key(id), 'expires_at', 'retired')
local expired = record[1] and not record[2] and tonumber(record[1]) <= clock()
if not record[1] or (expired and ARGV[2] == 'asked') then return 'unknown' end
if redis.call('EXISTS', file_users_key(id)) == 1 then
    -- A sweep looks again in a minute, so that files in use do not stand in front of others for ever.
    if expired then redis.call('ZADD', EXPIRING_FILES, seconds(clock() + 60), id) end
    return 'in_use'
end
redis.call('HSET', file_key(id), 'retired', 1)
redis.call('ZREM', files_key(tenant_of(file_key(id))), id)
redis.call('ZADD', EXPIRING_FILES, 0, id)
return 'retired'
