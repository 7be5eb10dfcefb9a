-- Ask for the end of a job: at once if it waits, at the next denoising step if it runs, not at all if it has ended.
-- ARGV: job id, retention seconds, tenant who asks ('' = the house)
-- Returns the status that the call found, or false when this tenant has no such job
if foreign(job_key(ARGV[1]), ARGV[3]) then return false end
return cancel(ARGV[1], tonumber(ARGV[2]))
