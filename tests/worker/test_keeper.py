"""What a worker does for everybody: taking back what is lost, whenever it has begun."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.artifact_store import ArtifactStore
from contract.job_store import JobStore
from contract.leases import Lease, Leases
from contract.request import GenerationRequest
from contract.store_connection import StoreConnection
from tests.conftest import complete_request
from tests.waiting import wait_until_async
from worker.keeper import Keeper
from worker.settings import WorkerSettings
from worker.tally import Tally

LEASE_SECONDS = 1.0


@pytest.fixture
async def connection(store_url: str) -> AsyncIterator[StoreConnection]:
    connection = StoreConnection(store_url)
    yield connection
    await connection.close()


async def test_a_worker_whose_beginning_took_long_takes_back_lost_jobs_at_once(
    connection: StoreConnection, store_url: str, tmp_path: Path
) -> None:
    jobs = JobStore(connection, retention_seconds=60)
    leases = Leases(connection, lease_seconds=LEASE_SECONDS, max_attempts=3, retention_seconds=60)
    job = (await jobs.admit(GenerationRequest(prompt="x"), complete_request(), max_queued=9)).job
    settings = WorkerSettings(home=tmp_path, redis_url=store_url, lease_seconds=LEASE_SECONDS)
    keeper = Keeper(
        "new",
        settings,
        connection,
        leases=leases,
        jobs=jobs,
        artifacts=ArtifactStore(tmp_path.as_uri()),
        tally=Tally("new"),
    )
    assert isinstance(await leases.claim("gone"), Lease)

    async def lost() -> bool:
        """The lease has ended, and the server is older than a lease, so that its holder could have renewed it."""
        seconds, _ = await connection.redis.time()
        is_old = (await connection.redis.info("server"))["uptime_in_seconds"] > LEASE_SECONDS
        return is_old and bool(await connection.redis.zcount("safelight:leases", "-inf", seconds))

    await wait_until_async(lost, 10)
    await keeper.reap()
    assert (await jobs.get(job.id)).status == "queued"
