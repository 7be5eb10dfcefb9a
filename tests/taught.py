"""Fine-tunes that have ended well without anybody who teaches: what they leave is put where it belongs."""

import hashlib
from pathlib import Path
from typing import Any

from contract.artifact_store import ArtifactStore
from contract.fine_tunes import FineTuneFile, FineTuneResult, FineTuneStore
from contract.leases import Leases, Made, Outcome
from contract.lines import FINE_TUNES
from contract.store_connection import StoreConnection
from tests.taught_requests import taught_request


async def taught(
    connection: StoreConnection,
    artifacts: ArtifactStore,
    unet: Path | None,
    *,
    tenant: str = "public",
    outcome: Outcome = "succeeded",
    **changes: Any,
) -> str:
    """The id of a fine-tune of a tenant that has ended so, and left the files in a folder."""
    complete = taught_request(**changes)
    store = FineTuneStore(connection, retention_seconds=3600).of(tenant)
    job_id = (await store.admit(complete.again, complete, max_queued=100)).job.id
    leases = Leases(connection, lease_seconds=15, max_attempts=3, retention_seconds=3600, line=FINE_TUNES)
    lease = await leases.claim("teacher")
    assert lease is not None
    assert lease.job_id == job_id
    files = [await _stored(artifacts, job_id, *file) for file in _contents(unet)]
    assert await leases.settle(lease, outcome, made=Made(FineTuneResult(files=tuple(files)).model_dump_json()))
    return job_id


def _contents(folder: Path | None) -> list[tuple[str, bytes]]:
    return [] if folder is None else [(file.name, file.read_bytes()) for file in folder.iterdir()]


async def _stored(artifacts: ArtifactStore, job_id: str, name: str, content: bytes) -> FineTuneFile:
    key, digest = f"{job_id}/{name}", hashlib.sha256(content).hexdigest()
    await artifacts.put(key, content)
    return FineTuneFile(name=name, layout="model", storage_key=key, size_bytes=len(content), sha256=digest)
