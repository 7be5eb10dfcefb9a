"""Requests of this dialect: to an application in this process, where a player is the worker, and by the real client."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image
from webuiapi import WebUIApi

from contract.job import Job
from tests.app import conftest as application
from tests.app.conftest import Player
from tests.pictures import encoded, gradient
from tests.system.launched import Launched
from tests.waiting import wait_until_async

artifacts_folder = application.artifacts_folder
client = application.client
connection = application.connection
job_store = application.job_store
player = application.player
settings = application.settings

TXT2IMG, IMG2IMG = "POST /sdapi/v1/txt2img", "POST /sdapi/v1/img2img"
PATHS = {"txt2img": TXT2IMG, "img2img": IMG2IMG}

PICTURE = gradient(128, 128)
IN_BASE64 = b64encode(encoded(PICTURE)).decode()
BODIES: dict[str, dict[str, Any]] = {
    "txt2img": {"prompt": "a red apple"},
    "img2img": {"prompt": "a red apple", "init_images": [IN_BASE64]},
}


def mask(width: int = 128, height: int = 128) -> Image.Image:
    """White in the right half."""
    picture = Image.new("L", (width, height))
    picture.paste(255, (width // 2, 0, width, height))
    return picture


class Answered(NamedTuple):
    """An answer, and the jobs behind it in the order in which they ran."""

    response: httpx.Response
    jobs: list[Job]

    @property
    def request(self) -> dict[str, Any]:
        """The request of the first job."""
        return self.jobs[0].request.model_dump(mode="json")


Ask = Callable[..., Any]


@pytest.fixture
def ask(client: httpx.AsyncClient, player: Player) -> Ask:
    """Sends a request, runs its jobs to their good end, and returns the answer with them."""

    async def ask(kind: str = "txt2img", num_jobs: int = 1, **fields: object) -> Answered:
        sent = asyncio.create_task(client.post(f"/sdapi/v1/{kind}", json=BODIES[kind] | fields))
        jobs = []
        for _ in range(num_jobs):
            await wait_until_async(lambda: _waits_or_done(player, sent), 10)
            if sent.done():
                break
            jobs.append(await play(player))
        return Answered(await sent, jobs)

    return ask


async def play(player: Player) -> Job:
    """Runs the next job to its good end, with pictures of its size."""
    lease = await player.claim()
    request = (await player.job_store.get(lease.job_id)).request
    for index in range(request.num_images):
        await player.publish(lease, index, encoded(gradient(request.width, request.height)))
    await player.settle(lease)
    return await player.job_store.get(lease.job_id)


async def _waits_or_done(player: Player, sent: "asyncio.Task[httpx.Response]") -> bool:
    return sent.done() or (await player.job_store.counts())["queued"] > 0


def assert_refused(response: httpx.Response, status: int, code: str, field: str = "") -> None:
    """The response is this error, in the shape of this dialect."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json"), response.text
    error = response.json()
    assert list(error) == ["error", "detail", "body", "errors"]
    assert (error["error"], error["errors"]) == (code, field), error
    assert field in error["detail"]
    assert error["body"] == ""


def opened(content: bytes) -> Image.Image:
    """The picture in a file."""
    picture = Image.open(BytesIO(content))
    picture.load()
    return picture


@pytest.fixture
def webui(service: Launched) -> Iterator[WebUIApi]:
    """The real client."""
    with client_of(service) as webui:
        yield webui


@contextmanager
def client_of(service: Launched) -> Iterator[WebUIApi]:
    """One of the real clients; each has a session of its own."""
    address = urlsplit(service.address)
    webui = WebUIApi(host=address.hostname, port=address.port)
    with webui.session:
        yield webui
