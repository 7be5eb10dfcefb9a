-- Keep the leases that are still ours, and hear what clients want of these jobs.
-- ARGV: lease seconds, then job id and execution id of each execution
-- Returns for each {held 0|1, cancel requested 0|1, previews wanted 0|1}
local ends = seconds(clock() + tonumber(ARGV[1]))
local answers = {}
for at = 2, #ARGV, 2 do
    local id = ARGV[at]
    if holds(id, ARGV[at + 1]) then
        redis.call('ZADD', LEASES, ends, id)
        local cancelled = redis.call('HGET', job_key(id), 'cancel_requested') == '1'
        local watched = redis.call('EXISTS', 'safelight:previews:' .. id)
        answers[#answers + 1] = {1, cancelled and 1 or 0, watched}
    else
        answers[#answers + 1] = {0, 0, 0}
    end
end
return answers
