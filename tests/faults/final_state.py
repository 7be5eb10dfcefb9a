"""What is left when nothing moves any more: jobs, their events, the artifacts, and keys that should be gone."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from contract.artifact_store import ArtifactStore
from contract.errors import UnknownArtifact
from contract.job import Job
from contract.job_records import read_job
from contract.store_connection import StoreConnection

LEFTOVERS = (
    "safelight:leases",
    "rq:wip:generations",
    "rq:queue:generations",
    "rq:queue:generations:intermediate",
    "rq:executions:*",
    "safelight:line*",
    "safelight:turns*",
    "safelight:jobs:queued*",
    "safelight:jobs:running*",
    "safelight:running:*",
    "safelight:unweighed",
    "safelight:work",
    "safelight:followers:*",
    "safelight:file_users:*",
)
"""Keys that exist only while some job waits or runs."""


@dataclass(slots=True)
class FinalJob:
    """A job's record, its events (id, name, data) in order, and under which digest its idempotency key is kept."""

    job: Job
    events: list[tuple[str, str, str]]
    idempotency: str | None = None


@dataclass(slots=True)
class FinalState:
    """`artifacts` has the digest of the bytes under each storage key that a record names; None where there are none."""

    jobs: dict[str, FinalJob] = field(default_factory=dict)
    artifacts: dict[str, str | None] = field(default_factory=dict)
    leftovers: dict[str, str] = field(default_factory=dict)
    workers: tuple[str, ...] = ()


async def read_final_state(connection: StoreConnection, artifacts: ArtifactStore) -> FinalState:
    """The state as it is now."""
    redis = connection.redis
    state = FinalState()
    async for key in redis.scan_iter(match="safelight:job:*", count=1000):
        job_id = key.removeprefix("safelight:job:")
        fields = await redis.hgetall(key)
        entries = await redis.xrange(f"safelight:events:{job_id}")
        events = [(entry_id, entry["event"], entry["data"]) for entry_id, entry in entries]
        state.jobs[job_id] = FinalJob(read_job(job_id, fields), events, fields.get("idempotency_key"))
    state.artifacts = await _digests(artifacts, (one.job for one in state.jobs.values()))
    for pattern in LEFTOVERS:
        async for key in redis.scan_iter(match=pattern, count=1000):
            state.leftovers[key] = await _content(redis, key)
    state.workers = tuple(sorted(await redis.smembers("safelight:workers")))
    return state


async def _digests(artifacts: ArtifactStore, jobs: Iterable[Job]) -> dict[str, str | None]:
    digests: dict[str, str | None] = {}
    for key in [image.storage_key for job in jobs for image in job.images]:
        try:
            digests[key] = hashlib.sha256(await artifacts.get(key)).hexdigest()
        except UnknownArtifact:
            digests[key] = None
    return digests


async def _content(redis: object, key: str) -> str:
    """What is under a key, for people."""
    kind = await redis.type(key)  # type: ignore[attr-defined]
    read = {
        "zset": lambda: redis.zrange(key, 0, -1, withscores=True),  # type: ignore[attr-defined]
        "hash": lambda: redis.hgetall(key),  # type: ignore[attr-defined]
        "set": lambda: redis.smembers(key),  # type: ignore[attr-defined]
        "list": lambda: redis.lrange(key, 0, -1),  # type: ignore[attr-defined]
    }.get(kind)
    return kind if read is None else json.dumps(await read(), default=sorted)
