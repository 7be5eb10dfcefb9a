-- Make one stored image visible, fenced; an image that is visible stays the one that it is.
-- ARGV: job id, execution id, index, artifact as JSON
-- Returns 1 when this artifact is now the published one, else 0
local id = ARGV[1]
if not holds(id, ARGV[2]) then return 0 end
if redis.call('HSETNX', job_key(id), 'image:' .. ARGV[3], ARGV[4]) == 0 then return 0 end
emit(id, 'image', ARGV[4])
return 1
