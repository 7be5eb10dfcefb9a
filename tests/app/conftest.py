"""The application in this process, API processes of their own, and somebody who plays the worker's part."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from app.main import create_app
from app.settings import AppSettings
from contract.artifact import MEDIA_TYPES, Artifact, artifact_id
from contract.artifact_store import ArtifactStore
from contract.job import JobFailure
from contract.job_events import EventName
from contract.job_store import JobStore
from contract.leases import Lease, Leases, Outcome
from contract.store_connection import StoreConnection
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "models.toml"
BODY = {"prompt": "a red apple"}


class Started:
    """An application whose lifespan has begun, called as a server would call it."""

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope | {"state": dict(self._state)}, receive, send)


@asynccontextmanager
async def client_of(settings: AppSettings, root_path: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with these settings, served under this path."""
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(Started(app, state), root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


@pytest.fixture(scope="session")
def artifacts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture
def settings(store_url: str, artifacts_folder: Path) -> AppSettings:
    return AppSettings(
        redis_url=store_url,
        artifacts_url=artifacts_folder.as_uri(),
        catalogue=CATALOGUE,
        webhook_networks="127.0.0.0/8",
    )


@pytest.fixture
async def client(settings: AppSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings) as client:
        yield client


@pytest.fixture
async def connection(store_url: str) -> AsyncIterator[StoreConnection]:
    connection = StoreConnection(store_url)
    yield connection
    await connection.close()


@pytest.fixture
def job_store(connection: StoreConnection) -> JobStore:
    return JobStore(connection, retention_seconds=3600)


@dataclass
class Player:
    """Does what a worker does, one call at a time."""

    leases: Leases
    job_store: JobStore
    artifacts: ArtifactStore

    async def claim(self) -> Lease:
        lease = await self.leases.claim("player")
        assert lease is not None
        return lease

    async def report(self, lease: Lease, step: int, *events: tuple[EventName, dict[str, Any]]) -> None:
        texts = [(name, json.dumps(data)) for name, data in events]
        assert await self.leases.report(lease, step, 1.5, texts)

    async def publish(self, lease: Lease, index: int = 0, content: bytes = b"picture") -> Artifact:
        request = (await self.job_store.get(lease.job_id)).request
        artifact = Artifact(
            id=artifact_id(lease.job_id, index),
            index=index,
            seed=request.seed_of(index),
            width=request.width,
            height=request.height,
            media_type=MEDIA_TYPES[request.output_format],
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            storage_key=f"{lease.job_id}/{lease.execution_id}/{index}.{request.output_format}",
        )
        await self.artifacts.put(artifact.storage_key, content)
        assert await self.leases.publish_image(lease, artifact)
        return artifact

    async def settle(self, lease: Lease, outcome: Outcome = "succeeded", failure: JobFailure | None = None) -> None:
        assert await self.leases.settle(lease, outcome, failure)

    async def finish(self) -> Lease:
        """Runs the next job to its good end."""
        lease = await self.claim()
        for index in range((await self.job_store.get(lease.job_id)).request.num_images):
            await self.publish(lease, index, f"picture {index} of {lease.job_id}".encode())
        await self.settle(lease)
        return lease


@pytest.fixture
def player(connection: StoreConnection, job_store: JobStore, artifacts_folder: Path) -> Player:
    leases = Leases(connection, lease_seconds=15, max_attempts=3, retention_seconds=3600)
    return Player(leases, job_store, ArtifactStore(artifacts_folder.as_uri()))


@dataclass
class Api:
    """One API process."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=30)

    def stop(self) -> int:
        """Asks it to end, and says how it did."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


def start_api(store_socket: Path, artifacts_folder: Path, log: Path, **settings: str) -> Api:
    """An API process on a socket that we have bound, as the launcher does it."""
    listener = socket.create_server(("127.0.0.1", 0))
    environment = {
        **os.environ,
        "SAFELIGHT_REDIS_URL": f"unix://{store_socket}",
        "SAFELIGHT_ARTIFACTS_URL": artifacts_folder.as_uri(),
        "SAFELIGHT_CATALOGUE": str(CATALOGUE),
        **{f"SAFELIGHT_{name.upper()}": value for name, value in settings.items()},
    }
    fd = listener.fileno()
    with listener, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "--fd", str(fd)],
            cwd=ROOT,
            env=environment,
            pass_fds=(fd,),
            stdout=output,
            stderr=output,
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        wait_until(lambda: _answers(url) or process.poll() is not None, 30, log.read_text)
    return Api(process, url, log)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


StartApi = Callable[..., Api]


@pytest.fixture(scope="session")
def start(store_socket: Path, artifacts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartApi]:
    """Starts API processes, which end with the session at the latest."""
    yield from starting(store_socket, artifacts_folder, tmp_path_factory)


def starting(
    store_socket: Path, artifacts_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartApi]:
    """Starts API processes, and ends them in the end."""
    running: list[Api] = []

    def start(**settings: str) -> Api:
        log = tmp_path_factory.mktemp("api") / "log"
        running.append(start_api(store_socket, artifacts_folder, log, **settings))
        return running[-1]

    yield start
    for api in running:
        api.process.kill()
        api.process.wait()


@pytest.fixture(scope="session")
def shared_api(start: StartApi) -> Api:
    return start()


@pytest.fixture
def api(shared_api: Api, store_url: str) -> Api:
    """An API process, on a store that is empty at the start of the test; keys of the test before are forgotten, too."""
    wait_until(lambda: httpx.get(f"{shared_api.url}/v1/jobs").status_code == 200, 10)
    return shared_api


class Stream:
    """A job's events, as one client reads them."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments: list[str] = []
        self._lines = response.aiter_lines()

    async def events(self) -> AsyncIterator[dict[str, str]]:
        """Each event as a dict of its fields."""
        event: dict[str, str] = {}
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if line and not name:
                self.comments.append(value)
            elif line:
                event[name] = value
            elif "event" in event:
                yield event
                event = {}

    async def read_until(self, name: str) -> list[dict[str, str]]:
        """The events up to the first of this name."""
        found = []
        async for event in self.events():
            found.append(event)
            if event["event"] == name:
                return found
        raise AssertionError(f"the stream ended without {name}: {found}")

    async def rest(self) -> list[dict[str, str]]:
        """The events up to the end."""
        return [event async for event in self.events()]


@asynccontextmanager
async def stream(api: Api, job_id: str, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    """Follows a job at an API process."""
    async with (
        api.client() as client,
        client.stream("GET", f"/v1/jobs/{job_id}/events{query}", headers=headers) as response,
    ):
        assert response.status_code == 200
        yield Stream(response)


async def submit(client: httpx.AsyncClient, **changes: object) -> str:
    """The id of a new job."""
    response = await client.post("/v1/generations", json=BODY | changes)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def assert_error(response: httpx.Response, status: int, code: str, field: str | None = None) -> None:
    """The response is this error, in the one shape."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json"), response.text
    error = response.json()["error"]
    assert set(error) == {"code", "message", "field", "request_id"}
    assert (error["code"], error["field"]) == (code, field), error
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["message"]
    assert "Traceback" not in response.text
