-- Make another secret that signs addresses, if the newest is too old, and forget those that nothing holds by.
-- ARGV: id and secret of another one ('' = make none, and forget all), seconds after which one is made,
--       seconds for which what was signed holds
local now, newest, gone = clock(), 0, {}
local known = redis.call('HGETALL', SIGNING)
for at = 1, #known, 2 do
    local created = tonumber(string.match(known[at + 1], '^[^:]+'))
    newest = math.max(newest, created)
    if ARGV[1] == '' or now - created > ARGV[3] + ARGV[4] then gone[#gone + 1] = known[at] end
end
local another = ARGV[1] ~= '' and now - newest > tonumber(ARGV[3])
if #gone > 0 then redis.call('HDEL', SIGNING, unpack(gone)) end
if another then redis.call('HSET', SIGNING, ARGV[1], seconds(now) .. ':' .. ARGV[2]) end
if another or #gone > 0 then redis.call('INCR', KEYS_VERSION) end
