-- What all scripts share, one: the names of the keys, whose they are, and the server's clock.
-- Every script is one atomic step; keys are built here because all of them live on one server (no cluster).
-- LINE, which stands before this, says for which line of jobs a script runs: each has its own of what orders and counts
-- jobs. Those of `generations` have the names that they had before there were lines. Jobs themselves are of no line.

local OWN = LINE == 'generations' and 'safelight:' or 'safelight:' .. LINE .. ':'

local QUEUE = 'rq:queue:' .. LINE
local WIP = 'rq:wip:' .. LINE
local LEASES = OWN .. 'leases'        -- zset: job id by the time at which its lease ends
local EXPIRING = OWN .. 'expiring'    -- zset: id of a job by the time at which it may be removed; until it ends, only if asked
local STATISTICS = OWN .. 'statistics' -- hash: counters and histogram buckets over all jobs
local WORK = OWN .. 'work'            -- hash: predicted microseconds of device time of the jobs that wait or run
local UNWEIGHED = OWN .. 'unweighed'  -- zset: id of a waiting or running job of unknown work by its sequence
local TURNS = OWN .. 'turns'          -- zset: tenant with waiting jobs by the work that it was given, in microseconds
local GIVEN = OWN .. 'turns:given'    -- hash: the same of tenants without waiting jobs; under '' the turn of the last claim
local TENANTS = OWN .. 'tenants'      -- set: tenants with jobs, without `public`
local SEQUENCE = OWN .. 'sequence'    -- the number of the job that was admitted last
local WORKERS = OWN .. 'workers'      -- set: names of workers that may be alive
local ARRIVALS = OWN .. 'arrivals'    -- channel: ids of jobs that are the first of their tenants' to wait
local RECEIVERS = 'safelight:outbox'     -- zset: receiver of webhooks by the time at which the next of its deliveries is due
local EXPIRING_FILES = 'safelight:files:expiring' -- zset: id of a file by the time at which its bytes may be removed
local KEYS_HASH = 'safelight:keys'       -- hash: record of an API key, as JSON, by its id
local KEYS_VERSION = 'safelight:keys:version' -- a number that changes whenever a key does, or a secret that signs
local SIGNING = 'safelight:signing'      -- hash: when it was made and a secret that signs addresses, by its id
local PUBLIC = 'public'                  -- the tenant of records that name none

local function job_key(id) return 'safelight:job:' .. id end
local function rq_key(id) return 'rq:job:' .. id end
local function events_key(id) return 'safelight:events:' .. id end
local function idempotency_key(key) return 'safelight:idempotency:' .. key end
local function bucket_key(account) return 'safelight:bucket:' .. account end -- when a key's bucket will be full
local function file_key(id) return 'safelight:file:' .. id end
local function file_users_key(id) return 'safelight:file_users:' .. id end -- set: ids of the jobs that hold the file
local function deliveries_key(id) return 'safelight:deliveries:' .. id end -- list: ids of the deliveries of a job
local function delivery_key(delivery) return 'safelight:delivery:' .. delivery end
local function crew_key(worker) return 'safelight:running:' .. worker end -- set: ids of the jobs that a worker runs
local function followers_key(id) return 'safelight:followers:' .. id end -- set: calls that follow a job that has not ended
local function outbox_key(receiver) return 'safelight:outbox:' .. receiver end -- zset: id of a pending delivery by when it is due
local function told_key(delivery) return 'safelight:told:' .. delivery end -- the record of a job when the event happened

-- An index of one tenant. Those of `public` have the names that they had before there were tenants.
local function index_of(index, tenant) return tenant == PUBLIC and index or index .. '@' .. tenant end
local function jobs_key(tenant) return index_of(OWN .. 'jobs', tenant) end -- zset: id by sequence
local function status_key(status, tenant) return index_of(OWN .. 'jobs:' .. status, tenant) end -- likewise
local function line_key(tenant) return index_of(OWN .. 'line', tenant) end -- zset: id of a waiting job, in order
local function files_key(tenant) return index_of('safelight:files', tenant) end -- zset: id of a file that can be named

local function tenant_of(key) return redis.call('HGET', key, 'tenant') or PUBLIC end

-- Whether a record is not for the eyes of this tenant; '' stands for the house, which sees everything.
local function foreign(key, tenant) return tenant ~= '' and tenant_of(key) ~= tenant end

local function clock()
    local time = redis.call('TIME')
    return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local function seconds(time) return string.format('%.6f', time) end

-- RQ writes its times as text; only the tools that show them read these.
local function rq_registry(name) return 'rq:' .. name .. ':' .. LINE end
