-- Ask for the end of a job: at once if it waits, at the next denoising step if it runs, not at all if it has ended.
-- ARGV: job id, retention seconds
-- Returns the status that the call found, or false when there is no such job
return cancel(ARGV[1], tonumber(ARGV[2]))
