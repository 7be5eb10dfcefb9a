-- What all scripts share: the names of the keys, the server's clock, and the moves of a job between its statuses.
-- Every script is one atomic step; keys are built here because all of them live on one server (no cluster).

local QUEUE = 'rq:queue:generations'
local WIP = 'rq:wip:generations'
local LEASES = 'safelight:leases'        -- zset: job id by the time at which its lease ends
local EXPIRING = 'safelight:expiring'    -- zset: id of a job by the time at which it may be removed; until it ends, only if asked
local STATISTICS = 'safelight:statistics' -- hash: counters and histogram buckets over all jobs
local WORK = 'safelight:work'            -- hash: predicted microseconds of device time of the jobs that wait or run
local UNWEIGHED = 'safelight:unweighed'  -- zset: id of a waiting or running job of unknown work by its sequence
local RECEIVERS = 'safelight:outbox'     -- zset: receiver of webhooks by the time at which the next of its deliveries is due
local EXPIRING_FILES = 'safelight:files:expiring' -- zset: id of a file by the time at which its bytes may be removed
local TURNS = 'safelight:turns'          -- zset: tenant with waiting jobs by the work that it was given, in microseconds
local GIVEN = 'safelight:turns:given'    -- hash: the same of tenants without waiting jobs; under '' the turn of the last claim
local TENANTS = 'safelight:tenants'      -- set: tenants with jobs, without `public`
local KEYS_HASH = 'safelight:keys'       -- hash: record of an API key, as JSON, by its id
local KEYS_VERSION = 'safelight:keys:version' -- a number that changes whenever a key does, or a secret that signs
local SIGNING = 'safelight:signing'      -- hash: when it was made and a secret that signs addresses, by its id
local PUBLIC = 'public'                  -- the tenant of records that name none

local function job_key(id) return 'safelight:job:' .. id end
local function rq_key(id) return 'rq:job:' .. id end
local function events_key(id) return 'safelight:events:' .. id end
local function idempotency_key(key) return 'safelight:idempotency:' .. key end
local function bucket_key(account) return 'safelight:bucket:' .. account end -- when a key's bucket will be full
local function file_key(id) return 'safelight:file:' .. id end
local function file_users_key(id) return 'safelight:file_users:' .. id end -- set: ids of the jobs that hold the file
local function deliveries_key(id) return 'safelight:deliveries:' .. id end -- list: ids of the deliveries of a job
local function delivery_key(delivery) return 'safelight:delivery:' .. delivery end
local function followers_key(id) return 'safelight:followers:' .. id end -- set: calls that follow a job that has not ended
local function outbox_key(receiver) return 'safelight:outbox:' .. receiver end -- zset: id of a pending delivery by when it is due
local function told_key(delivery) return 'safelight:told:' .. delivery end -- the record of a job when the event happened

-- An index of one tenant. Those of `public` have the names that they had before there were tenants.
local function index_of(index, tenant) return tenant == PUBLIC and index or index .. '@' .. tenant end
local function jobs_key(tenant) return index_of('safelight:jobs', tenant) end -- zset: id by sequence
local function status_key(status, tenant) return index_of('safelight:jobs:' .. status, tenant) end -- likewise
local function line_key(tenant) return index_of('safelight:line', tenant) end -- zset: id of a waiting job, in order
local function files_key(tenant) return index_of('safelight:files', tenant) end -- zset: id of a file that can be named

local function tenant_of(key) return redis.call('HGET', key, 'tenant') or PUBLIC end

-- Whether a record is not for the eyes of this tenant; '' stands for the house, which sees everything.
local function foreign(key, tenant) return tenant ~= '' and tenant_of(key) ~= tenant end

local function clock()
    local time = redis.call('TIME')
    return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local function seconds(time) return string.format('%.6f', time) end

-- RQ writes its times as text; only the tools that show them read these.
local function rq_registry(name) return 'rq:' .. name .. ':generations' end

local function receiver_of(delivery) return redis.call('HGET', delivery_key(delivery), 'receiver') end

-- A receiver stands where the first of its deliveries does.
local function settle_receiver(receiver)
    local first = redis.call('ZRANGE', outbox_key(receiver), 0, 0, 'WITHSCORES')
    if not first[1] then return redis.call('ZREM', RECEIVERS, receiver) end
    return redis.call('ZADD', RECEIVERS, first[2], receiver)
end

local function schedule_delivery(delivery, at)
    local receiver = receiver_of(delivery)
    redis.call('ZADD', outbox_key(receiver), seconds(at), delivery)
    redis.call('HSET', delivery_key(delivery), 'next_at', seconds(at))
    settle_receiver(receiver)
end

local function unschedule_delivery(delivery)
    local receiver = receiver_of(delivery)
    redis.call('ZREM', outbox_key(receiver), delivery)
    settle_receiver(receiver)
end

local function forget_delivery(id, delivery)
    if redis.call('LREM', deliveries_key(id), 1, delivery) == 0 then return end
    unschedule_delivery(delivery)
    redis.call('DEL', delivery_key(delivery), told_key(delivery))
end

local PROGRESS_SECONDS = 0.5 -- so long is between two deliveries of progress; only the last of them is kept

-- Whether it is time to tell of progress again, which makes what was told before it, or not yet, worthless.
local function replaces_progress(id, event, now)
    local before = redis.call('HMGET', job_key(id), 'progress_delivery', 'progress_told_at')
    if event == 'progress' and before[2] and now - tonumber(before[2]) < PROGRESS_SECONDS then return false end
    if before[1] then forget_delivery(id, before[1]) end
    return true
end

-- The delivery of an event, if the job's webhook is for such events: what happens is told, or has not happened.
local function tell(id, event, data)
    local webhook = redis.call('HMGET', job_key(id), 'webhook_events', 'webhook_receiver')
    if not webhook[1] or not string.find(webhook[1], ' ' .. event .. ' ', 1, true) then return end
    local now = clock()
    if not replaces_progress(id, event, now) then return end
    local number = redis.call('HINCRBY', job_key(id), 'num_deliveries', 1)
    local delivery = string.gsub(id, '^job_', 'whd_') .. '_' .. number
    if event == 'progress' then
        redis.call('HSET', job_key(id), 'progress_delivery', delivery, 'progress_told_at', seconds(now))
    end
    redis.call('COPY', job_key(id), told_key(delivery))
    redis.call('HSET', delivery_key(delivery),
        'event', event, 'data', data, 'occurred_at', seconds(now), 'status', 'pending', 'tries', 0,
        'receiver', webhook[2])
    redis.call('RPUSH', deliveries_key(id), delivery)
    schedule_delivery(delivery, now)
end

local function emit(id, event, data)
    redis.call('XADD', events_key(id), '*', 'event', event, 'data', data)
    tell(id, event, data)
end

-- The work that waits is kept as sums over blocks of RADIX^level sequences, and what has become 0 is removed: so a job
-- that leaves takes out what it put in, wherever it stood, and the work in front of any job is a fixed number of fields.
local RADIX, LEVELS = 32, 6

local function add_work(field, micros)
    if micros == 0 then return end
    if redis.call('HINCRBY', WORK, field, string.format('%.0f', micros)) == 0 then redis.call('HDEL', WORK, field) end
end

-- Each tenant and priority has sums of its own; those that have always been there are of the `normal` jobs of `public`.
local function sums_of(tenant, priority)
    return tenant == PUBLIC and priority == 'normal' and '' or tenant .. '/' .. priority .. '/'
end

local function add_waiting(place, micros)
    local sums = sums_of(place.tenant, place.priority)
    for level = 0, LEVELS - 1 do
        add_work(sums .. level .. ':' .. math.floor(place.sequence / RADIX ^ level), micros)
    end
    if place.counted then add_work(index_of('waiting', place.tenant), micros) end
end

-- What the waiting jobs of a tenant, a priority, and a lower sequence are predicted to need.
local function waiting_before(tenant, priority, sequence)
    local fields, micros, sums = {'0:0'}, 0, sums_of(tenant, priority)
    for level = 0, LEVELS - 1 do
        local block = math.floor(sequence / RADIX ^ level)
        for before = block - block % RADIX, block - 1 do fields[#fields + 1] = sums .. level .. ':' .. before end
    end
    for at, found in ipairs(redis.call('HMGET', WORK, unpack(fields))) do
        if found and at > 1 then micros = micros + tonumber(found) end
    end
    return micros
end

-- All that runs has a lease.
local function num_running() return redis.call('ZCARD', LEASES) end

local function running_work() return tonumber(redis.call('HGET', WORK, 'running') or '0') end

local function num_workers()
    local alive = 0
    for _, name in ipairs(redis.call('SMEMBERS', 'safelight:workers')) do
        alive = alive + redis.call('EXISTS', 'safelight:worker:' .. name)
    end
    return alive
end

-- What a running job of this record {work, step, total steps} has still to do.
local function work_left(job)
    return math.floor((tonumber(job[1] or '') or 0) * (1 - tonumber(job[2]) / tonumber(job[3])))
end

local function set_running_work(id, micros)
    local before = tonumber(redis.call('HGET', job_key(id), 'work_left') or '0')
    add_work('running', micros - before)
    redis.call('HSET', job_key(id), 'work_left', string.format('%.0f', micros))
end

-- Where a job stands among those that wait. A record from before there were priorities is in no tenant's total.
local function place_of(id)
    local found = redis.call('HMGET', job_key(id), 'tenant', 'priority', 'sequence')
    local priority = found[2] or 'normal'
    return {tenant = found[1] or PUBLIC, priority = priority, sequence = tonumber(found[3] or ''), counted = found[2]}
end

-- Takes a job's work from where it stands and puts it where it will.
local function carry_work(id, from, to, place, work)
    if from == 'queued' then add_waiting(place, -work) end
    if to == 'queued' then add_waiting(place, work) end
    if from == 'running' or to == 'running' then set_running_work(id, to == 'running' and work or 0) end
    if to ~= 'queued' and to ~= 'running' then redis.call('ZREM', UNWEIGHED, id) end
end

-- A tenant's waiting jobs stand in a line: the urgent ones first, each priority in order of admission.
local PRIORITIES = {'high', 'normal', 'low'}
local RANKS = {high = 0, normal = 1, low = 2}
local RANK = 2 ^ 40

local function next_sequence() return tonumber(redis.call('GET', 'safelight:sequence') or 0) + 1 end

local function score_in_line(place) return RANKS[place.priority] * RANK + place.sequence end

-- Tenants take turns: next is the one that was given the least work while others waited, too. A tenant that comes back
-- to the queue takes its turn now, and not those that it missed; when nobody waits, all that was given is forgotten.
local function enter_line(id, place)
    redis.call('ZADD', line_key(place.tenant), score_in_line(place), id)
    if redis.call('ZSCORE', TURNS, place.tenant) then return end
    local given = redis.call('HMGET', GIVEN, '', place.tenant)
    redis.call('ZADD', TURNS, math.max(tonumber(given[1] or 0), tonumber(given[2] or 0)), place.tenant)
end

local function leave_line(id, tenant, work)
    if redis.call('ZREM', line_key(tenant), id) == 0 then return end
    local given = redis.call('ZINCRBY', TURNS, work, tenant)
    if redis.call('EXISTS', line_key(tenant)) == 1 then return end
    redis.call('HSET', GIVEN, tenant, given)
    redis.call('ZREM', TURNS, tenant)
    if redis.call('EXISTS', TURNS) == 0 then redis.call('DEL', GIVEN) end
end

-- What is likely served before a job of this place: how many, and microseconds of work. Tenants take turns, so of each
-- other tenant's it is as much as of its own; of 128 tenants at most, that nobody waits for the answer.
local function ahead_of(place)
    local count = redis.call('ZCOUNT', line_key(place.tenant), '-inf', '(' .. string.format('%.0f', score_in_line(place)))
    local micros = waiting_before(place.tenant, place.priority, place.sequence)
    for rank = 1, RANKS[place.priority] do
        micros = micros + waiting_before(place.tenant, PRIORITIES[rank], next_sequence())
    end
    local all_count, all_micros = count, micros
    for _, tenant in ipairs(redis.call('ZRANGE', TURNS, 0, 127)) do
        if tenant ~= place.tenant then
            local waiting = tonumber(redis.call('HGET', WORK, index_of('waiting', tenant)) or '0')
            all_count = all_count + math.min(count, redis.call('ZCARD', line_key(tenant)))
            all_micros = all_micros + math.min(micros, waiting)
        end
    end
    return all_count, all_micros
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
    redis.call('ZREM', LEASES, id)
    redis.call('ZREM', WIP, id .. ':' .. (redis.call('HGET', job_key(id), 'execution') or ''))
    redis.call('HDEL', job_key(id), 'execution', 'worker')
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
    if failure ~= '' then redis.call('HSET', job_key(id), 'error', failure) end
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

-- A job whose execution was lost: cancelled if that was asked for, failed after too many attempts, else queued again.
local function recover(id, max_attempts, failure, retention)
    local job = redis.call('HMGET', job_key(id), 'attempt', 'cancel_requested')
    if job[2] == '1' then return finish(id, 'cancelled', '', retention) end
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
