-- What all scripts share, four: in which order the jobs that wait are served.

-- A tenant's waiting jobs stand in a line: the urgent ones first, each priority in order of admission.
local PRIORITIES = {'high', 'normal', 'low'}
local RANKS = {high = 0, normal = 1, low = 2}
local RANK = 2 ^ 40

local function next_sequence() return tonumber(redis.call('GET', SEQUENCE) or 0) + 1 end

local function score_in_line(place) return RANKS[place.priority] * RANK + place.sequence end

-- Tenants take turns: next is the one that was given the least work while others waited, too. A tenant that comes back
-- to the queue takes its turn now, and not those that it missed; when nobody waits, all that was given is forgotten.
local function enter_line(id, place)
    redis.call('ZADD', line_key(place.tenant), score_in_line(place), id)
    if redis.call('ZSCORE', TURNS, place.tenant) then return end
    local given = redis.call('HMGET', GIVEN, '', place.tenant)
    redis.call('ZADD', TURNS, math.max(tonumber(given[1] or 0), tonumber(given[2] or 0)), place.tenant)
    redis.call('PUBLISH', ARRIVALS, id)
end

local function leave_line(id, tenant, work)
    if redis.call('ZREM', line_key(tenant), id) == 0 then return end
    local given = redis.call('ZINCRBY', TURNS, work, tenant)
    if redis.call('EXISTS', line_key(tenant)) == 1 then return end
    redis.call('HSET', GIVEN, tenant, given)
    redis.call('ZREM', TURNS, tenant)
    if redis.call('EXISTS', TURNS) == 0 then redis.call('DEL', GIVEN) end
end

-- What is likely served before a job of this place: how many, and microseconds of work. Tenants take turns, so of each
-- other tenant's it is as much as of its own; of 128 tenants at most, that nobody waits for the answer.
local function ahead_of(place)
    local count = redis.call('ZCOUNT', line_key(place.tenant), '-inf', '(' .. string.format('%.0f', score_in_line(place)))
    local micros = waiting_before(place.tenant, place.priority, place.sequence)
    for rank = 1, RANKS[place.priority] do
        micros = micros + waiting_before(place.tenant, PRIORITIES[rank], next_sequence())
    end
    local all_count, all_micros = count, micros
    for _, tenant in ipairs(redis.call('ZRANGE', TURNS, 0, 127)) do
        if tenant ~= place.tenant then
            local waiting = tonumber(redis.call('HGET', WORK, index_of('waiting', tenant)) or '0')
            all_count = all_count + math.min(count, redis.call('ZCARD', line_key(tenant)))
            all_micros = all_micros + math.min(micros, waiting)
        end
    end
    return all_count, all_micros
end
