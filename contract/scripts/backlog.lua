-- What waits, for operators. It looks at every waiting job: some ten thousand take as many microseconds.
-- Returns {deliveries of webhooks that are pending, seconds since the first of them was due,
--          then for each model with waiting jobs: name, number of jobs, seconds since the first of them was admitted}
local now, models, names = clock(), {}, {}
for _, id in ipairs(redis.call('LRANGE', QUEUE, 0, -1)) do
    local job = redis.call('HMGET', job_key(id), 'model', 'created_at')
    local model, age = job[1] or '', now - tonumber(job[2] or now)
    if not models[model] then
        models[model] = {count = 0, age = 0}
        names[#names + 1] = model
    end
    models[model].count = models[model].count + 1
    models[model].age = math.max(models[model].age, age)
end
local pending = 0
for _, receiver in ipairs(redis.call('ZRANGE', RECEIVERS, 0, -1)) do
    pending = pending + redis.call('ZCARD', outbox_key(receiver))
end
local due = redis.call('ZRANGE', RECEIVERS, 0, 0, 'WITHSCORES')[2]
local answer = {pending, seconds(math.max(0, now - tonumber(due or now)))}
for _, model in ipairs(names) do
    for _, part in ipairs({model, models[model].count, seconds(models[model].age)}) do answer[#answer + 1] = part end
end
return answer
