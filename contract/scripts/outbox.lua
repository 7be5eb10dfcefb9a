-- What all scripts share, two: a job's events, and the deliveries that tell of them.

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
    local delivery = 'whd_' .. string.gsub(id, '^job_', '') .. '_' .. number
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
