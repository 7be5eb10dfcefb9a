-- Read a secret that signs webhooks, made when it is first asked for; or replace it, so that both sign for a while.
-- ARGV: digest of its owner and name, 'read' | 'rotate', a fresh secret, seconds for which the replaced one still signs,
--       digest of its owner alone, the most that an owner may have
-- Returns {secret, when it was made, the one before it or '', until when that one signs or ''}; false for one too many
local key, fresh = 'safelight:webhook_secret:' .. ARGV[1], ARGV[3]
local now = clock()
local found = redis.call('HMGET', key, 'key', 'created_at', 'previous', 'previous_until')
if not found[1] then
    local index = 'safelight:webhook_secrets:' .. ARGV[5]
    if redis.call('SCARD', index) >= tonumber(ARGV[6]) then return false end
    redis.call('SADD', index, ARGV[1])
end
if not found[1] or (ARGV[2] == 'rotate' and found[1] ~= fresh) then
    local replaced = found[1]
    redis.call('HSET', key, 'key', fresh, 'created_at', seconds(now))
    if replaced then
        redis.call('HSET', key, 'previous', replaced, 'previous_until', seconds(now + tonumber(ARGV[4])))
    end
    found = redis.call('HMGET', key, 'key', 'created_at', 'previous', 'previous_until')
end
if not found[3] or tonumber(found[4]) <= now then return {found[1], found[2], '', ''} end
return found
