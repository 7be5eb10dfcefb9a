"""A store is copied while it works, as docs/operations.md has it; what was accepted is there when it is started."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from contract.job_store import JobStore
from contract.leases import Leases
from contract.request import GenerationRequest
from contract.store_connection import StoreConnection
from launch.embedded_store import server_command
from tests.conftest import complete_request
from tests.waiting import wait_until, wait_until_async

REQUEST = GenerationRequest(prompt="a red apple")


@contextmanager
def running(home: Path, *options: str) -> Iterator[str]:
    """A store over this folder, and its URL."""
    socket = home / "store" / "valkey.sock"
    socket.unlink(missing_ok=True)
    with subprocess.Popen([*server_command(socket), *options], stdout=subprocess.DEVNULL) as server:
        wait_until(socket.exists, 10)
        yield f"unix://{socket}"
        server.kill()


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        yield Path(folder)


@pytest.fixture
async def connection(home: Path) -> AsyncIterator[StoreConnection]:
    with running(home) as url:
        connection = StoreConnection(url)
        await wait_until_async(lambda: _answers(connection), 10)
        yield connection
        await connection.close()


async def _answers(connection: StoreConnection) -> bool:
    return bool(await connection.redis.ping())


def jobs_of(connection: StoreConnection) -> JobStore:
    return JobStore(connection, retention_seconds=3600)


def leases_of(connection: StoreConnection) -> Leases:
    return Leases(connection, lease_seconds=0.5, max_attempts=3, retention_seconds=3600)


async def copy_log(redis: Redis, source: Path, target: Path) -> None:
    """The log of all writes, which is kept from being rewritten meanwhile."""
    await redis.config_set("auto-aof-rewrite-percentage", 0)

    async def is_still() -> bool:
        return (await redis.info("persistence"))["aof_rewrite_in_progress"] == 0

    await wait_until_async(is_still, 10)
    await asyncio.to_thread(shutil.copytree, source / "store" / "appendonlydir", target / "store" / "appendonlydir")
    await redis.config_set("auto-aof-rewrite-percentage", 100)


async def copy_snapshot(redis: Redis, source: Path, target: Path) -> None:
    """A snapshot, which is written for this."""
    await redis.bgsave()

    async def is_written() -> bool:
        said = await redis.info("persistence")
        return said["rdb_bgsave_in_progress"] == 0 and (source / "store" / "dump.rdb").exists()

    await wait_until_async(is_written, 10)
    (target / "store").mkdir(parents=True)
    await asyncio.to_thread(shutil.copy, source / "store" / "dump.rdb", target / "store" / "dump.rdb")


@pytest.mark.parametrize(("copy", "options"), [(copy_log, ()), (copy_snapshot, ("--appendonly", "no"))])
async def test_a_restored_store_has_its_jobs(
    home: Path, connection: StoreConnection, copy: Callable[..., object], options: tuple[str, ...]
) -> None:
    jobs, leases = jobs_of(connection), leases_of(connection)
    ids = [(await jobs.admit(REQUEST, complete_request(), max_queued=999)).job.id for _ in range(30)]
    done, run = await leases.claim("w"), await leases.claim("w")
    assert done is not None
    assert run is not None
    assert await leases.settle(done, "succeeded")

    going_on = asyncio.create_task(_submit_for_ever(jobs))
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        await copy(connection.redis, home, Path(folder))  # type: ignore[misc]
        going_on.cancel()
        with running(Path(folder), *options) as url:
            restored = StoreConnection(url)
            await wait_until_async(lambda: _loaded(restored, len(ids)), 10)
            if options:  # A snapshot is read; from now on, every write is kept as before.
                await restored.redis.config_set("appendonly", "yes")
            found = [await jobs_of(restored).get(job_id) for job_id in ids]
            assert {job.id: job.status for job in found[:2]} == {done.job_id: "succeeded", run.job_id: "running"}
            assert {job.status for job in found[2:]} == {"queued"}
            assert (await restored.redis.lrange("rq:queue:generations", 0, 27)) == ids[2:]

            async def is_taken_back() -> bool:
                return run.job_id in await leases_of(restored).reap()

            await wait_until_async(is_taken_back, 10)
            assert (await jobs_of(restored).get(run.job_id)).status == "queued", "what ran then runs again"
            await restored.close()


async def _submit_for_ever(jobs: JobStore) -> None:
    while True:
        await jobs.admit(REQUEST, complete_request(), max_queued=99999)


async def _loaded(connection: StoreConnection, number: int) -> bool:
    return int(await connection.redis.zcard("safelight:jobs")) >= number
