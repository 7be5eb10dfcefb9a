-- What is in front of jobs that wait.
-- ARGV: job ids
-- Returns {number of live workers, number of running jobs, microseconds that these have still to do, and for each id
--          {place in the queue or 0, microseconds of the waiting jobs before it, how many jobs before it are of unknown work}}
local answers = {}
for at, id in ipairs(ARGV) do
    local place = place_of(id)
    if redis.call('ZSCORE', line_key(place.tenant), id) then
        local count, micros = ahead_of(place)
        local unknown = redis.call('ZCOUNT', UNWEIGHED, '-inf', '(' .. place.sequence)
        answers[at] = {count + 1, string.format('%.0f', micros), unknown}
    else
        answers[at] = {0, '0', 0}
    end
end
return {num_workers(), num_running(), string.format('%.0f', running_work()), answers}
