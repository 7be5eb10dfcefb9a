-- How many jobs there are, by tenant and status.
-- ARGV: statuses
-- Returns for each tenant with jobs, and for `public`, {name, number of jobs in each status}
local answers = {}
local tenants = redis.call('SMEMBERS', TENANTS)
tenants[#tenants + 1] = PUBLIC
for _, tenant in ipairs(tenants) do
    local counts = {tenant}
    for _, status in ipairs(ARGV) do counts[#counts + 1] = redis.call('ZCARD', status_key(status, tenant)) end
    answers[#answers + 1] = counts
end
return answers
