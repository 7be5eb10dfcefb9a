-- Write the record of a data set whose bytes are stored, if nobody has changed it since it was read.
-- ARGV: data set id, tenant, version as it was read ('' = a new data set), new version, record and
--       summary as JSON, how many data sets the tenant may have, '1' when something is taken out
-- Returns 'kept' | 'changed' meanwhile, or gone | 'full' | 'in_use'
local id, tenant, was, version = unpack(ARGV, 1, 4)
local found = redis.call('HGET', dataset_key(id), 'version')
if found == version then return 'kept' end
if (found or '') ~= was or (found and no_dataset(id, tenant)) then return 'changed' end
if ARGV[8] == '1' and dataset_in_use(id) then return 'in_use' end
if not found then
    if redis.call('ZCARD', datasets_key(tenant)) >= tonumber(ARGV[7]) then return 'full' end
    redis.call('ZADD', datasets_key(tenant), redis.call('INCR', 'safelight:datasets:sequence'), id)
    redis.call('ZREM', ANNOUNCED_DATASETS, id)
end
redis.call('HSET', dataset_key(id), 'tenant', tenant, 'version', version, 'record', ARGV[5], 'summary', ARGV[6])
return 'kept'
