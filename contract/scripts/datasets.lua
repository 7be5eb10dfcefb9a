-- What all scripts share, six: data sets, and which jobs learn from them.

local ANNOUNCED_DATASETS = 'safelight:datasets:announced' -- zset: id of a data set without a record by the time at which its bytes may go

local function dataset_key(id) return 'safelight:dataset:' .. id end -- hash: tenant, version, record and summary as JSON; retired
local function dataset_users_key(id) return 'safelight:dataset_users:' .. id end -- set: ids of jobs that learn from it, or did
local function datasets_key(tenant) return index_of('safelight:datasets', tenant) end -- zset: id by sequence

-- Whether there is no such data set in the eyes of this tenant; '' stands for the house.
local function no_dataset(id, tenant)
    local record = redis.call('HMGET', dataset_key(id), 'version', 'retired')
    return not record[1] or record[2] or foreign(dataset_key(id), tenant)
end

-- Whether a job that has not ended learns from the data set. What is said of others is dropped here, so that whatever
-- ends a job need know nothing of data sets.
local function dataset_in_use(id)
    for _, job in ipairs(redis.call('SMEMBERS', dataset_users_key(id))) do
        local status = redis.call('HGET', job_key(job), 'status')
        if status == 'queued' or status == 'running' then return true end
        redis.call('SREM', dataset_users_key(id), job)
    end
    return false
end

-- A job takes hold of a data set that is as it was read, until it ends: 'held' | 'unknown' | 'changed'
local function hold_dataset(id, tenant, version, job)
    if no_dataset(id, tenant) then return 'unknown' end
    if redis.call('HGET', dataset_key(id), 'version') ~= version then return 'changed' end
    redis.call('SADD', dataset_users_key(id), job)
    return 'held'
end
