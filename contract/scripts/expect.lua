-- What would be in front of a job that was admitted now.
-- ARGV: tenant, priority
-- Returns {number of live workers, number of running jobs, microseconds that these have still to do,
--          place in the queue, microseconds of the waiting jobs before it, how many jobs are of unknown work}
local place = {tenant = ARGV[1], priority = ARGV[2], sequence = next_sequence()}
local count, micros = ahead_of(place)
return {num_workers(), num_running(), string.format('%.0f', running_work()), count + 1, string.format('%.0f', micros),
    redis.call('ZCARD', UNWEIGHED)}
