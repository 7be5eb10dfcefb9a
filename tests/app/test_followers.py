"""What becomes of a job when those who follow it go away: nothing, or with `on_disconnect=cancel` its end."""

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from app.dialects.outcomes import succeeded
from app.errors import JobCancelled
from app.main import create_app
from app.settings import AppSettings
from app.waiting import stop
from contract.job_store import JobStore
from contract.store_connection import StoreConnection
from tests.app.conftest import BODY, Api, Player, StartApi, assert_error, start_api, stream, submit
from tests.conftest import running_store
from tests.waiting import wait_until_async

CANCEL = "?on_disconnect=cancel"
NUM_CALLS = 50


@asynccontextmanager
async def call(
    api: Api, method: str, path: str, body: dict[str, Any] | None = None
) -> AsyncIterator[asyncio.StreamReader]:
    """A call on a connection of its own, which is closed at the end, in the middle of whatever is going on."""
    url = urlsplit(api.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    content = b"" if body is None else json.dumps(body).encode()
    head = [f"{method} {path} HTTP/1.1", "Host: x", "Content-Type: application/json", "Prefer: wait=60"]
    writer.write("\r\n".join([*head, f"Content-Length: {len(content)}", "", ""]).encode() + content)
    await writer.drain()
    try:
        yield reader
    finally:
        writer.close()


async def becomes(job_store: JobStore, job_id: str, status: str) -> None:
    async def so() -> bool:
        return (await job_store.get(job_id)).status == status

    await wait_until_async(so, 10)


async def num_followers(connection: StoreConnection, job_id: str) -> int:
    return int(await connection.redis.scard(f"safelight:followers:{job_id}"))


async def until_followers(connection: StoreConnection, job_id: str, expected: int) -> None:
    async def so() -> bool:
        return await num_followers(connection, job_id) == expected

    await wait_until_async(so, 5)


@pytest.fixture
async def job_id(api: Api) -> str:
    async with api.client() as client:
        return await submit(client)


async def leave_soon(api: Api, method: str, path: str, body: dict[str, Any] | None, seconds: float) -> None:
    """Calls, and goes away after a while, or at once."""
    async with call(api, method, path, body) as reader:
        try:
            async with asyncio.timeout(seconds):
                await reader.read()
        except TimeoutError:
            pass


async def test_whenever_the_only_follower_goes_away_the_job_is_cancelled(api: Api, job_store: JobStore) -> None:
    moments = random.Random(7)
    async with api.client() as client:
        ids = [await submit(client) for _ in range(NUM_CALLS)]
    streams = [("GET", f"/v1/jobs/{job_id}/events{CANCEL}", None) for job_id in ids]
    waits = [("POST", f"/v1/generations{CANCEL}", BODY)] * NUM_CALLS
    calls = [leave_soon(api, *one, seconds=moments.choice([0.0, moments.uniform(0, 0.4)])) for one in streams + waits]
    await asyncio.gather(*calls)

    async def all_cancelled() -> bool:
        counts = await job_store.counts()
        # Who goes away before the prompt was read has no job.
        return NUM_CALLS < counts["cancelled"] == sum(counts.values()) <= 2 * NUM_CALLS

    for _ in range(3):
        await wait_until_async(all_cancelled, 20)
        assert (await asyncio.to_thread(httpx.get, f"{api.url}/v1/jobs")).status_code == 200
    assert "Traceback" not in api.log.read_text()


async def test_without_a_wish_the_job_is_kept(
    api: Api, job_id: str, job_store: JobStore, connection: StoreConnection
) -> None:
    async with stream(api, job_id) as events:
        await events.read_until("queued")
        await until_followers(connection, job_id, 1)
    await until_followers(connection, job_id, 0)
    assert (await job_store.get(job_id)).status == "queued"


@pytest.mark.parametrize("other", ["", CANCEL])
async def test_only_the_last_follower_takes_the_job_along(
    api: Api, job_id: str, job_store: JobStore, connection: StoreConnection, other: str
) -> None:
    async with stream(api, job_id, other) as stays:
        await stays.read_until("queued")
        async with stream(api, job_id, CANCEL) as leaves:
            await leaves.read_until("queued")
            await until_followers(connection, job_id, 2)
        await until_followers(connection, job_id, 1)
        assert (await job_store.get(job_id)).status == "queued"
    await until_followers(connection, job_id, 0)
    await becomes(job_store, job_id, "cancelled" if other else "queued")


async def test_a_running_job_is_asked_to_end(api: Api, job_id: str, player: Player, job_store: JobStore) -> None:
    lease = await player.claim()
    async with stream(api, job_id, CANCEL) as events:
        await events.read_until("started")

    async def asked() -> bool:
        return (await player.leases.renew([lease]))[0].cancel_requested

    await wait_until_async(asked, 5)


async def test_a_job_that_has_ended_stays_as_it_is(
    api: Api, job_id: str, player: Player, job_store: JobStore, connection: StoreConnection
) -> None:
    async with stream(api, job_id, CANCEL) as events:
        await events.read_until("queued")
        await until_followers(connection, job_id, 1)
        await player.finish()
        assert (await events.rest())[-1]["event"] == "succeeded"
    async with stream(api, job_id, CANCEL) as again:
        await again.read_until("queued")
    assert (await job_store.get(job_id)).status == "succeeded"
    assert await num_followers(connection, job_id) == 0


async def test_the_end_of_the_wait_is_no_disconnection(
    api: Api, job_store: JobStore, connection: StoreConnection
) -> None:
    async with api.client() as client:
        answer = await client.post(f"/v1/generations{CANCEL}", json=BODY, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    await until_followers(connection, answer.json()["id"], 0)
    assert (await job_store.get(answer.json()["id"])).status == "queued"


async def test_a_refused_call_follows_nothing(
    api: Api, job_id: str, job_store: JobStore, connection: StoreConnection
) -> None:
    async with api.client() as client:
        wrong = await client.get(f"/v1/jobs/{job_id}/events{CANCEL}&previews=perhaps")
        assert_error(wrong, 422, "invalid_request", "previews")
        wrong = await client.get(f"/v1/jobs/{job_id}/events{CANCEL}", headers={"Last-Event-ID": "x"})
        assert_error(wrong, 422, "invalid_request", "Last-Event-ID")
        wrong = await client.get(f"/v1/jobs/{job_id}/events?on_disconnect=perhaps")
        assert_error(wrong, 422, "invalid_request", "on_disconnect")
        wrong = await client.post(f"/v1/generations{CANCEL}", json=BODY)
        assert_error(wrong, 422, "invalid_request", "on_disconnect")
    await until_followers(connection, job_id, 0)
    assert (await job_store.counts())["queued"] == 1


async def test_a_process_that_ends_keeps_the_jobs_of_its_clients(
    start: StartApi, store_url: str, connection: StoreConnection, job_store: JobStore
) -> None:
    api = start()
    async with api.client() as client:
        job_id = await submit(client)
        waiting = asyncio.ensure_future(
            client.post(f"/v1/generations{CANCEL}", json=BODY, headers={"Prefer": "wait=60"})
        )
        async with stream(api, job_id, CANCEL) as events:
            await events.read_until("queued")
            await until_followers(connection, job_id, 1)
            api.process.terminate()
            await events.rest()
        waited_for = (await waiting).json()["id"]
    api.process.wait(10)
    for kept in (job_id, waited_for):
        assert (await job_store.get(kept)).status == "queued"
        assert await num_followers(connection, kept) == 0


async def somebody_blocks(connection: StoreConnection) -> bool:
    """Whether a client of the store is in a blocking read."""
    return int((await connection.redis.info("clients"))["blocked_clients"]) > 0


@pytest.fixture
def own_store() -> Iterator[Path]:
    """A store that a test may freeze."""
    yield from running_store()


async def test_a_wish_outlives_an_outage_of_the_store(own_store: Path, artifacts_folder: Path, tmp_path: Path) -> None:
    api = start_api(own_store, artifacts_folder, tmp_path / "log")
    connection = StoreConnection(f"unix://{own_store}")
    store = int((await connection.redis.info("server"))["process_id"])
    try:
        async with api.client() as client:
            job_id = await submit(client)
        async with stream(api, job_id, CANCEL) as events:
            await events.read_until("queued")
            await wait_until_async(lambda: somebody_blocks(connection), 5)
            os.kill(store, signal.SIGSTOP)
        await asyncio.to_thread(httpx.get, f"{api.url}/readyz", timeout=5)  # by now the wish was told in vain
        os.kill(store, signal.SIGCONT)
        await becomes(JobStore(connection, retention_seconds=60), job_id, "cancelled")
    finally:
        os.kill(store, signal.SIGCONT)
        api.process.kill()
        api.process.wait()
        await connection.close()


async def test_dialects_can_have_it_too(
    client: httpx.AsyncClient, settings: AppSettings, job_store: JobStore, store_url: str
) -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    app = create_app(settings)
    kept, lost = [await job_store.get(await submit(client)) for _ in range(2)]
    async with app.router.lifespan_context(app) as state:
        for job, on_disconnect in ((kept, "keep"), (lost, "cancel")):
            with pytest.raises((ClientDisconnect, JobCancelled)):
                await succeeded(job, Request({"type": "http"}, gone), state["resources"], on_disconnect)  # type: ignore[arg-type]
        await becomes(job_store, lost.id, "cancelled")
    assert (await job_store.get(kept.id)).status == "queued"


async def test_a_cancellation_that_is_lost_is_repeated() -> None:
    async def waits() -> None:
        await asyncio.wait_for(asyncio.sleep(0), 10)
        await asyncio.Event().wait()

    for num_turns in range(10):
        task = asyncio.create_task(waits())
        for _ in range(num_turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await stop([task])
        assert task.cancelled()
