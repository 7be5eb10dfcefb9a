-- Have a job hold a data set, so that nothing is taken out of it until the job has ended.
-- ARGV: data set id, tenant who asks ('' = the house), version of the data set as it was read, job id
-- Returns 'held' | 'unknown' | 'changed', when it was edited since
return hold_dataset(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
