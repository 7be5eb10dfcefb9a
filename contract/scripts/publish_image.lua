-- Make one stored image and its trace visible, fenced; an image that is visible stays the one that it is.
-- ARGV: job id, execution id, index, artifact as JSON, the trace of its run as JSON, if there is one
-- Returns 1 when this artifact is the published one, else 0: then nobody will ever ask for its bytes
local id, field, artifact = ARGV[1], 'image:' .. ARGV[3], ARGV[4]
if redis.call('HGET', job_key(id), field) == artifact then return 1 end
if not holds(id, ARGV[2]) then return 0 end
if redis.call('HSETNX', job_key(id), field, artifact) == 0 then return 0 end
if ARGV[5] then redis.call('HSET', job_key(id), 'trace', ARGV[5]) end
emit(id, 'image', artifact)
return 1
