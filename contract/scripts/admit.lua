-- Accept a job once, however often this call is repeated.
-- ARGV: job id, idempotency key ('' = none), fingerprint, idempotency seconds, max queued,
--       request as JSON, total steps, model, no_store ('1' | ''),
--       microseconds of device time that the job is predicted to need, and of its own run on an idle worker ('' = unknown),
--       ids of the files that it names, separated by spaces, tenant, further fields of its record as a JSON object,
--       a quota as a JSON object of account, cost, and what there is of rate, burst and max_queued,
--       then the fields and values of RQ's hash
-- Returns {'created' | 'existing' | 'conflict' | 'full' | 'unknown_file' | 'too_dear' | 'over_quota',
--          job id, file id, seconds after which the quota would do, or '', the fields and values of a new job's record}

-- Takes a job's cost out of a bucket that holds `burst` and fills by `rate` a second; seconds until it could, 0 if it did.
local function draw(quota)
    local now = clock()
    local full_at = math.max(now, tonumber(redis.call('GET', bucket_key(quota.account)) or 0)) + quota.cost / quota.rate
    local wait = full_at - quota.burst / quota.rate - now
    if wait > 0.000001 then return wait end
    redis.call('SET', bucket_key(quota.account), seconds(full_at), 'PX', math.ceil((full_at - now) * 1000))
    return 0
end

local id, key, fingerprint, tenant = ARGV[1], ARGV[2], ARGV[3], ARGV[13]
local fields, quota = cjson.decode(ARGV[14]), cjson.decode(ARGV[15])
if redis.call('EXISTS', job_key(id)) == 1 then return {'created', id} end
if key ~= '' then
    local seen = redis.call('HMGET', idempotency_key(key), 'fingerprint', 'job_id')
    if seen[1] == fingerprint then return {'existing', seen[2]} end
    if seen[1] then return {'conflict', ''} end
end
if redis.call('LLEN', QUEUE) >= tonumber(ARGV[5]) then return {'full', ''} end
for file in string.gmatch(ARGV[12], '%S+') do
    local found = redis.call('HMGET', file_key(file), 'expires_at', 'retired')
    local usable = found[1] and not found[2] and tonumber(found[1]) > clock() and not foreign(file_key(file), tenant)
    if not usable then return {'unknown_file', file} end
end
if quota.max_queued and redis.call('ZCARD', status_key('queued', tenant)) >= quota.max_queued then
    return {'over_quota', '10'}
end
if quota.rate then
    if quota.cost > quota.burst then return {'too_dear', ''} end
    local wait = draw(quota)
    if wait > 0 then return {'over_quota', string.format('%.3f', wait)} end
end

local sequence = redis.call('INCR', 'safelight:sequence')
local place = {tenant = tenant, priority = fields.priority, sequence = sequence, counted = true}
local count, micros = ahead_of(place)
redis.call('HSET', job_key(id),
    'status', 'queued', 'sequence', sequence, 'request', ARGV[6], 'total_steps', ARGV[7], 'step', 0, 'attempt', 0,
    'created_at', seconds(clock()), 'idempotency_key', key, 'admitted_position', count + 1, 'model', ARGV[8],
    'no_store', ARGV[9], 'work', ARGV[10])
for field, value in pairs(fields) do redis.call('HSET', job_key(id), field, value) end
if ARGV[10] == '' then
    redis.call('ZADD', UNWEIGHED, sequence, id)
else
    -- What the client is told now is told again whenever the call is repeated.
    if redis.call('ZCOUNT', UNWEIGHED, '-inf', sequence) == 0 then
        redis.call('HSET', job_key(id), 'admitted_outlook', string.format('%d %d %.0f %.0f %s %s',
            num_workers(), num_running(), running_work(), micros, ARGV[10], ARGV[11]))
    end
    add_waiting(place, tonumber(ARGV[10]))
end
if tenant ~= PUBLIC then
    redis.call('HSET', job_key(id), 'tenant', tenant)
    redis.call('SADD', TENANTS, tenant)
end
if ARGV[12] ~= '' then redis.call('HSET', job_key(id), 'files', ARGV[12]) end
for file in string.gmatch(ARGV[12], '%S+') do redis.call('SADD', file_users_key(file), id) end
enter_line(id, place)
redis.call('ZADD', status_key('queued', tenant), sequence, id)
redis.call('ZADD', jobs_key(tenant), sequence, id)
redis.call('SADD', 'rq:queues', QUEUE)
redis.call('HSET', rq_key(id), unpack(ARGV, 16))
redis.call('RPUSH', QUEUE, id)
if key ~= '' then
    redis.call('HSET', idempotency_key(key), 'fingerprint', fingerprint, 'job_id', id)
    redis.call('EXPIRE', idempotency_key(key), ARGV[4])
end
return {'created', id, redis.call('HGETALL', job_key(id))}
