-- Give up executions, fenced: their child died ('lost': they are suspects now), or it is none of their doing ('drained').
-- ARGV: 'lost' | 'drained', max attempts, failure as JSON, retention seconds, then job id and execution id of each
-- Returns how many were still ours
local given = 0
-- From the last to the first, so that the first is at the front of the queue in the end.
for at = #ARGV - 1, 5, -2 do
    local id = ARGV[at]
    if holds(id, ARGV[at + 1]) then
        given = given + 1
        redis.call('HINCRBY', STATISTICS, 'returned:' .. ARGV[1], 1)
        if ARGV[1] == 'drained' then
            give_up(id, tonumber(ARGV[4]))
        else
            recover(id, tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]))
        end
    end
end
return given
