-- What all scripts share, six: data sets, and which jobs learn from them.

local ANNOUNCED_DATASETS = 'safelight:datasets:announced' -- zset: id of a data set without a record by the time at which its bytes may go
local HOLD_SECONDS = 60 -- so long may pass between a hold and the admission of its job

local function dataset_key(id) return 'safelight:dataset:' .. id end -- hash: tenant, version, record as JSON; retired
local function dataset_users_key(id) return 'safelight:dataset_users:' .. id end -- zset: id of a job by the time at which it took hold
local function datasets_key(tenant) return index_of('safelight:datasets', tenant) end -- zset: id by sequence

-- Whether there is no such data set in the eyes of this tenant; '' stands for the house.
local function no_dataset(id, tenant)
    local record = redis.call('HMGET', dataset_key(id), 'version', 'retired')
    return not record[1] or record[2] or foreign(dataset_key(id), tenant)
end

-- Whether a job that has not ended learns from the data set. Holds of jobs that have ended or were never made are
-- dropped, so nobody need give one back.
local function dataset_in_use(id)
    local users = redis.call('ZRANGE', dataset_users_key(id), 0, -1, 'WITHSCORES')
    for at = 1, #users, 2 do
        local status = redis.call('HGET', job_key(users[at]), 'status')
        local young = not status and tonumber(users[at + 1]) > clock() - HOLD_SECONDS
        if status == 'queued' or status == 'running' or young then return true end
        redis.call('ZREM', dataset_users_key(id), users[at])
    end
    return false
end

-- A job takes hold of a data set that is as it was read: 'held' | 'unknown' | 'changed'
local function hold_dataset(id, tenant, version, job)
    if no_dataset(id, tenant) then return 'unknown' end
    if redis.call('HGET', dataset_key(id), 'version') ~= version then return 'changed' end
    redis.call('ZADD', dataset_users_key(id), seconds(clock()), job)
    return 'held'
end
