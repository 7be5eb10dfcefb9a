"""The store is down, or frozen: every call that needs it says so within two seconds, and recovers with it."""

import asyncio
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.settings import AppSettings
from contract.store_connection import StoreConnection
from launch.embedded_store import server_command
from tests.app.conftest import BODY, CATALOGUE, assert_error, client_of
from tests.waiting import wait_until, wait_until_async

pytestmark = pytest.mark.alone

CALLS = [
    ("POST", "/v1/generations"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/job_1"),
    ("POST", "/v1/jobs/job_1/cancel"),
    ("DELETE", "/v1/jobs/job_1"),
    ("GET", "/v1/jobs/job_1/events"),
    ("GET", "/v1/artifacts/art_1_0"),
    ("GET", "/readyz"),
]


@dataclass
class OwnStore:
    """A server that a test may harm."""

    socket: Path
    process: subprocess.Popen[bytes]

    def restart(self) -> None:
        self.process = start(self.socket)


def start(socket: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(server_command(socket), stdout=subprocess.DEVNULL)
    wait_until(socket.exists, 10)
    return process


@pytest.fixture
def own_store() -> Iterator[OwnStore]:
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        socket = Path(folder) / "s" / "valkey.sock"
        store = OwnStore(socket, start(socket))
        yield store
        store.process.send_signal(signal.SIGCONT)
        store.process.terminate()
        store.process.wait()


@pytest.fixture
async def client(own_store: OwnStore, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = AppSettings(
        home=tmp_path, redis_url=f"unix://{own_store.socket}", catalogue=CATALOGUE, log_level="warning"
    )
    async with client_of(settings) as client:
        assert (await client.post("/v1/generations", json=BODY)).status_code == 202
        yield client


@pytest.fixture
async def own_connection(own_store: OwnStore) -> AsyncIterator[StoreConnection]:
    connection = StoreConnection(f"unix://{own_store.socket}")
    yield connection
    await connection.close()


async def assert_unavailable(client: httpx.AsyncClient, method: str, path: str) -> None:
    """The call is refused within two seconds, in words that say nothing of our insides."""
    started_at = time.monotonic()
    response = await client.request(method, path, json=BODY if path == "/v1/generations" else None)
    assert time.monotonic() - started_at < 2
    assert_error(response, 503, "store_unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert "sock" not in response.text


async def assert_metrics(client: httpx.AsyncClient) -> None:
    """The metrics page knows its own numbers, and that the store is down."""
    started_at = time.monotonic()
    page = (await client.get("/metrics")).text
    assert time.monotonic() - started_at < 2
    assert "safelight_store_up 0.0" in page
    assert 'safelight_http_requests_total{method="POST",route="/v1/generations",status="202"} 1.0' in page


async def test_the_store_is_down(client: httpx.AsyncClient, own_store: OwnStore) -> None:
    own_store.process.terminate()
    own_store.process.wait()
    for method, path in CALLS:
        await assert_unavailable(client, method, path)
    await assert_metrics(client)
    assert (await client.get("/healthz")).status_code == 200
    own_store.restart()
    assert (await client.post("/v1/generations", json=BODY)).status_code == 202
    assert len((await client.get("/v1/jobs")).json()["data"]) == 2


@pytest.mark.parametrize(("method", "path"), CALLS[::2])
async def test_the_store_is_frozen(client: httpx.AsyncClient, own_store: OwnStore, method: str, path: str) -> None:
    own_store.process.send_signal(signal.SIGSTOP)
    await assert_unavailable(client, method, path)
    own_store.process.send_signal(signal.SIGCONT)
    assert (await client.post("/v1/generations", json=BODY)).status_code == 202


async def test_metrics_while_the_store_is_frozen(client: httpx.AsyncClient, own_store: OwnStore) -> None:
    own_store.process.send_signal(signal.SIGSTOP)
    await assert_metrics(client)


async def test_a_stream_ends_and_a_wait_answers_when_the_store_goes_away(
    client: httpx.AsyncClient, own_store: OwnStore, own_connection: StoreConnection
) -> None:
    async def both_wait() -> bool:
        return bool((await own_connection.redis.info("clients"))["blocked_clients"] == 2)

    job_id = (await client.get("/v1/jobs")).json()["data"][0]["id"]
    following = asyncio.ensure_future(client.get(f"/v1/jobs/{job_id}/events"))
    waiting = asyncio.ensure_future(client.post("/v1/generations", json=BODY, headers={"Prefer": "wait=60"}))
    await wait_until_async(both_wait, 5)
    own_store.process.terminate()
    assert "store_unavailable; connect again" in (await following).text
    accepted = await waiting
    assert (accepted.status_code, accepted.json()["status"]) == (202, "queued")
