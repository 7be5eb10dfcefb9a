-- Accept a job once, however often this call is repeated.
-- ARGV: job id, idempotency key ('' = none), fingerprint, idempotency seconds, max queued,
--       request as JSON, total steps, model, no_store ('1' | ''),
--       microseconds of device time that the job is predicted to need, and of its own run on an idle worker ('' = unknown),
--       ids of the files that it names, separated by spaces, further fields of its record as a JSON object,
--       then the fields and values of RQ's hash
-- Returns {'created' | 'existing' | 'conflict' | 'full' | 'unknown_file', job id, file id or '', the fields and values of a new job's record}
local id, key, fingerprint = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', job_key(id)) == 1 then return {'created', id} end
if key ~= '' then
    local seen = redis.call('HMGET', idempotency_key(key), 'fingerprint', 'job_id')
    if seen[1] == fingerprint then return {'existing', seen[2]} end
    if seen[1] then return {'conflict', ''} end
end
local depth = redis.call('ZCARD', status_key('queued'))
if depth >= tonumber(ARGV[5]) then return {'full', ''} end
for file in string.gmatch(ARGV[12], '%S+') do
    local found = redis.call('HMGET', file_key(file), 'expires_at', 'retired')
    if not found[1] or found[2] or tonumber(found[1]) <= clock() then return {'unknown_file', file} end
end

local sequence = redis.call('INCR', 'safelight:sequence')
redis.call('HSET', job_key(id),
    'status', 'queued', 'sequence', sequence, 'request', ARGV[6], 'total_steps', ARGV[7], 'step', 0, 'attempt', 0,
    'created_at', seconds(clock()), 'idempotency_key', key, 'admitted_position', depth + 1, 'model', ARGV[8],
    'no_store', ARGV[9], 'work', ARGV[10])
for field, value in pairs(cjson.decode(ARGV[13])) do redis.call('HSET', job_key(id), field, value) end
if ARGV[10] == '' then
    redis.call('ZADD', UNWEIGHED, sequence, id)
else
    -- What the client is told now is told again whenever the call is repeated.
    if redis.call('ZCOUNT', UNWEIGHED, '-inf', sequence) == 0 then
        redis.call('HSET', job_key(id), 'admitted_outlook', string.format('%d %d %.0f %.0f %s %s',
            num_workers(), redis.call('ZCARD', status_key('running')), running_work(), waiting_before(sequence),
            ARGV[10], ARGV[11]))
    end
    add_waiting(sequence, tonumber(ARGV[10]))
end
if ARGV[12] ~= '' then redis.call('HSET', job_key(id), 'files', ARGV[12]) end
for file in string.gmatch(ARGV[12], '%S+') do redis.call('SADD', file_users_key(file), id) end
redis.call('ZADD', status_key('queued'), sequence, id)
redis.call('ZADD', 'safelight:jobs', sequence, id)
redis.call('SADD', 'rq:queues', QUEUE)
redis.call('HSET', rq_key(id), unpack(ARGV, 14))
redis.call('RPUSH', QUEUE, id)
if key ~= '' then
    redis.call('HSET', idempotency_key(key), 'fingerprint', fingerprint, 'job_id', id)
    redis.call('EXPIRE', idempotency_key(key), ARGV[4])
end
return {'created', id, redis.call('HGETALL', job_key(id))}
