-- What all scripts share, five: the moves of a job between its statuses.

-- Takes a job's work from where it stands and puts it where it will.
local function carry_work(id, from, to, place, work)
    if from == 'queued' then add_waiting(place, -work) end
    if to == 'queued' then add_waiting(place, work) end
    if from == 'running' or to == 'running' then set_running_work(id, to == 'running' and work or 0) end
    if to ~= 'queued' and to ~= 'running' then redis.call('ZREM', UNWEIGHED, id) end
end

local UNKNOWN_WORK = 1000000 -- what a job of unknown work counts against its tenant's turns

local function move(id, status)
    local was = redis.call('HMGET', job_key(id), 'status', 'work')
    local place, work = place_of(id), tonumber(was[2] or '')
    redis.call('ZREM', status_key(was[1], place.tenant), id)
    redis.call('ZADD', status_key(status, place.tenant), place.sequence, id)
    redis.call('HSET', job_key(id), 'status', status)
    carry_work(id, was[1], status, place, work or 0)
    if was[1] == 'queued' then leave_line(id, place.tenant, status == 'running' and (work or UNKNOWN_WORK) or 0) end
    if status == 'queued' then enter_line(id, place) end
end

-- Whether this execution still owns the job: the fence in front of everything that an execution writes.
local function holds(id, execution)
    local held = redis.call('HMGET', job_key(id), 'status', 'execution')
    return held[1] == 'running' and held[2] == execution
end

local function drop_lease(id)
    local held = redis.call('HMGET', job_key(id), 'execution', 'worker')
    redis.call('ZREM', LEASES, id)
    redis.call('ZREM', WIP, id .. ':' .. (held[1] or ''))
    if held[2] then redis.call('SREM', crew_key(held[2]), id) end
    redis.call('HDEL', job_key(id), 'execution', 'worker', 'company')
end

local function observe(name, value, bounds)
    redis.call('HINCRBYFLOAT', STATISTICS, name .. ':sum', seconds(value))
    for _, bound in ipairs(bounds) do
        if value <= bound then return redis.call('HINCRBY', STATISTICS, name .. ':' .. bound, 1) end
    end
    return redis.call('HINCRBY', STATISTICS, name .. ':inf', 1)
end

-- Lets go of the files that a job has held since its admission.
local function release_files(id)
    for file in string.gmatch(redis.call('HGET', job_key(id), 'files') or '', '%S+') do
        redis.call('SREM', file_users_key(file), id)
    end
end

-- The record of a file whose bytes are stored, if it is not there yet; `said` are fields and values of it.
local function create_file(id, ttl, tenant, said)
    if redis.call('EXISTS', file_key(id)) == 1 then return end
    local now = clock()
    redis.call('HSET', file_key(id), 'created_at', seconds(now), 'expires_at', seconds(now + ttl), unpack(said))
    if tenant ~= PUBLIC then redis.call('HSET', file_key(id), 'tenant', tenant) end
    redis.call('ZADD', files_key(tenant), redis.call('INCR', 'safelight:files:sequence'), id)
    redis.call('ZADD', EXPIRING_FILES, seconds(now + ttl), id)
end

local RQ_STATUS = {succeeded = 'finished', failed = 'failed', cancelled = 'canceled'}
local BOUNDS = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}

-- When a job that ends now may be removed: as everybody's, or sooner where its client asked for that.
local function expiry(id, now, retention)
    local asked = redis.call('HMGET', job_key(id), 'retention_seconds', 'expire_by')
    local expires = now + math.min(retention, tonumber(asked[1] or '') or retention)
    return math.max(now, math.min(expires, tonumber(asked[2] or '') or expires))
end

-- The end of a job, whichever way: record, indexes, RQ's registries, statistics, the last event.
local function finish(id, status, failure, retention)
    local now = clock()
    local expires = expiry(id, now, retention)
    drop_lease(id)
    release_files(id)
    redis.call('DEL', followers_key(id))
    move(id, status)
    redis.call('HSET', job_key(id), 'finished_at', seconds(now), 'expires_at', seconds(expires))
    if failure ~= '' then
        redis.call('HSET', job_key(id), 'error', failure)
        redis.call('HINCRBY', STATISTICS, 'failed:' .. cjson.decode(failure).code, 1)
    end
    redis.call('ZADD', EXPIRING, seconds(expires), id)
    redis.call('HSET', rq_key(id), 'status', RQ_STATUS[status])
    redis.call('ZADD', rq_registry(RQ_STATUS[status]), seconds(expires), id)
    redis.call('HINCRBY', STATISTICS, 'ended:' .. status, 1)
    local started = redis.call('HGET', job_key(id), 'started_at')
    if started then observe('run', now - tonumber(started), BOUNDS) end
    emit(id, status, '{}')
end

-- Back to the front of the queue, as if this execution had never been; published images stay.
local function requeue(id)
    drop_lease(id)
    move(id, 'queued')
    redis.call('HDEL', job_key(id), 'started_at', 'eta_seconds')
    redis.call('HSET', job_key(id), 'step', 0)
    redis.call('HSET', rq_key(id), 'status', 'queued', 'worker_name', '')
    redis.call('LPUSH', QUEUE, id)
    emit(id, 'queued', '{}')
end

-- A job whose execution is not to count: cancelled if that was asked for, else queued again.
local function give_up(id, retention)
    if redis.call('HGET', job_key(id), 'cancel_requested') == '1' then return finish(id, 'cancelled', '', retention) end
    redis.call('HINCRBY', job_key(id), 'attempt', -1)
    return requeue(id)
end

-- A job whose execution was lost: it is a suspect from now on, and runs alone. Where it had company nobody knows whose
-- work it was that ended the process, and the attempt does not count. Alone, it fails after too many attempts.
local function recover(id, max_attempts, failure, retention)
    local job = redis.call('HMGET', job_key(id), 'attempt', 'company', 'cancel_requested')
    redis.call('HSET', job_key(id), 'suspect', '1')
    if job[2] or job[3] == '1' then return give_up(id, retention) end
    if tonumber(job[1]) >= max_attempts then return finish(id, 'failed', failure, retention) end
    return requeue(id)
end

-- The end of a job that somebody asks for; returns the status that it had until now.
local function cancel(id, retention)
    local status = redis.call('HGET', job_key(id), 'status')
    if status == 'queued' then
        redis.call('LREM', QUEUE, 1, id)
        finish(id, 'cancelled', '', retention)
    elseif status == 'running' then
        redis.call('HSET', job_key(id), 'cancel_requested', 1)
        redis.call('PUBLISH', 'safelight:cancellations', id)
    end
    return status
end
