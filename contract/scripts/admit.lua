-- Accept a job once, however often this call is repeated.
-- ARGV: job id, a JSON object of what is asked, then the fields and values of RQ's hash. In the object:
--   request (as JSON), model, total_steps, files (ids that the request names), dataset, where it names one: {id, version}, tenant,
--   priority, max_queued,
--   idempotency: null, or {key, fingerprint, seconds, takes} (takes: the key is this call's from now on, whoever had it before),
--   record (further fields of its record), no_store,
--   quota: {account, cost}, and where they are bounded rate and burst, max_queued, max_running,
--   and where it is known forecast: {work, own}, microseconds of device time that the job is predicted to need,
--   and of its own run on an idle worker.
-- Returns {'created' | 'existing' | 'conflict' | 'full' | 'unknown_file' | 'unknown_dataset' | 'changed_dataset' | 'over_burst' |
--          'over_quota', job id, file id, dataset id, seconds after which the quota may do, or '', the fields and values of a new job's record}
local QUEUE_SECONDS = 10

-- Takes a job's cost out of a bucket that holds `burst` and fills by `rate` a second; seconds until it could, 0 if it did.
local function draw(quota)
    local now = clock()
    local full_at = math.max(now, tonumber(redis.call('GET', bucket_key(quota.account)) or 0)) + quota.cost / quota.rate
    local wait = full_at - quota.burst / quota.rate - now
    if wait > 0.000001 then return wait end
    redis.call('SET', bucket_key(quota.account), seconds(full_at), 'PX', math.ceil((full_at - now) * 1000))
    return 0
end

local id, asked = ARGV[1], cjson.decode(ARGV[2])
local tenant, known, quota = asked.tenant, asked.idempotency, asked.quota
if redis.call('EXISTS', job_key(id)) == 1 then return {'created', id} end
if known and not known.takes then
    local seen = redis.call('HMGET', idempotency_key(known.key), 'fingerprint', 'job_id')
    if seen[1] == known.fingerprint then return {'existing', seen[2]} end
    if seen[1] then return {'conflict', ''} end
end
if redis.call('LLEN', QUEUE) >= asked.max_queued then return {'full', ''} end
for _, file in ipairs(asked.files) do
    local found = redis.call('HMGET', file_key(file), 'expires_at', 'retired')
    local usable = found[1] and not found[2] and tonumber(found[1]) > clock() and not foreign(file_key(file), tenant)
    if not usable then return {'unknown_file', file} end
end
local dataset = asked.dataset
if dataset then
    local held = hold_dataset(dataset.id, tenant, dataset.version, id)
    if held ~= 'held' then return {held .. '_dataset', dataset.id} end
end
if quota.max_queued and redis.call('ZCARD', status_key('queued', tenant)) >= quota.max_queued then
    return {'over_quota', tostring(QUEUE_SECONDS)}
end
if quota.rate then
    if quota.cost > quota.burst then return {'over_burst', ''} end
    local wait = draw(quota)
    if wait > 0 then return {'over_quota', string.format('%.3f', wait)} end
end

local sequence = redis.call('INCR', SEQUENCE)
local place = {tenant = tenant, priority = asked.priority, sequence = sequence, counted = true}
local count, micros = ahead_of(place)
redis.call('HSET', job_key(id),
    'status', 'queued', 'sequence', sequence, 'request', asked.request, 'total_steps', asked.total_steps, 'step', 0,
    'attempt', 0, 'created_at', seconds(clock()), 'admitted_position', count + 1, 'model', asked.model,
    'priority', asked.priority, 'work', asked.forecast and asked.forecast.work or '')
if known then redis.call('HSET', job_key(id), 'idempotency_key', known.key) end
if asked.no_store then redis.call('HSET', job_key(id), 'no_store', '1') end
for field, value in pairs(asked.record) do redis.call('HSET', job_key(id), field, value) end
if asked.record.expire_by then redis.call('ZADD', EXPIRING, asked.record.expire_by, id) end
if not asked.forecast then
    redis.call('ZADD', UNWEIGHED, sequence, id)
else
    -- What the client is told now is told again whenever the call is repeated.
    if redis.call('ZCOUNT', UNWEIGHED, '-inf', sequence) == 0 then
        redis.call('HSET', job_key(id), 'admitted_outlook', string.format('%d %d %.0f %.0f %.0f %.0f',
            num_workers(), num_running(), running_work(), micros, asked.forecast.work, asked.forecast.own))
    end
    add_waiting(place, asked.forecast.work)
end
if tenant ~= PUBLIC then
    redis.call('HSET', job_key(id), 'tenant', tenant)
    redis.call('SADD', TENANTS, tenant)
end
if quota.max_running then redis.call('HSET', job_key(id), 'max_running', quota.max_running) end
if #asked.files > 0 then redis.call('HSET', job_key(id), 'files', table.concat(asked.files, ' ')) end
for _, file in ipairs(asked.files) do redis.call('SADD', file_users_key(file), id) end
enter_line(id, place)
redis.call('ZADD', status_key('queued', tenant), sequence, id)
redis.call('ZADD', jobs_key(tenant), sequence, id)
redis.call('SADD', 'rq:queues', QUEUE)
redis.call('HSET', rq_key(id), unpack(ARGV, 3))
redis.call('RPUSH', QUEUE, id)
if known then
    redis.call('HSET', idempotency_key(known.key), 'fingerprint', known.fingerprint, 'job_id', id)
    redis.call('EXPIRE', idempotency_key(known.key), known.seconds)
end
return {'created', id, redis.call('HGETALL', job_key(id))}
