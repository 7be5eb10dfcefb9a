-- What all scripts share, three: the predicted work of the jobs that wait and run, and who works.

-- Where a job stands among those that wait. A record from before there were priorities is in no tenant's total.
local function place_of(id)
    local found = redis.call('HMGET', job_key(id), 'tenant', 'priority', 'sequence')
    local priority = found[2] or 'normal'
    return {tenant = found[1] or PUBLIC, priority = priority, sequence = tonumber(found[3] or ''), counted = found[2]}
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

-- Workers that are alive, and not in quarantine.
local function num_workers()
    local count = 0
    for _, name in ipairs(redis.call('SMEMBERS', WORKERS)) do
        local worker = redis.call('HMGET', 'safelight:worker:' .. name, 'num_steps', 'in_quarantine')
        if worker[1] and worker[2] ~= '1' then count = count + 1 end
    end
    return count
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
