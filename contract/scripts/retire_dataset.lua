-- Take a data set out of use, so that its bytes may be removed.
-- ARGV: data set id, tenant who asks ('' = the house)
-- Returns 'retired' | 'unknown' | 'in_use'
local id = ARGV[1]
if no_dataset(id, ARGV[2]) then return 'unknown' end
if dataset_in_use(id) then return 'in_use' end
redis.call('HSET', dataset_key(id), 'retired', 1)
redis.call('ZREM', datasets_key(tenant_of(dataset_key(id))), id)
redis.call('ZADD', ANNOUNCED_DATASETS, 0, id)
return 'retired'
