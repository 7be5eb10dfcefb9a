"""HTTP Basic as AUTOMATIC1111's clients know it: the password is an API key, and what is another's is not there."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator

import httpx
import pytest

from app.settings import AppSettings
from contract.store_connection import StoreConnection
from tests.app.conftest import Player, client_of
from tests.app.keys import make_key
from tests.dialects.automatic1111.conftest import BODIES, assert_refused
from tests.dialects.automatic1111.test_progress import IDLE
from tests.waiting import wait_until_async


class Basic:
    """A client of a tenant, which logs in as AUTOMATIC1111's clients do."""

    def __init__(self, client: httpx.AsyncClient, password: str) -> None:
        self._client = client
        self.headers = {"Authorization": f"Basic {b64encode(f'user:{password}'.encode()).decode()}"}

    async def get(self, path: str) -> httpx.Response:
        return await self._client.get(f"/sdapi/v1/{path}", headers=self.headers)

    async def post(self, path: str, **body: object) -> httpx.Response:
        json = body or None
        return await self._client.post(f"/sdapi/v1/{path}", json=json, headers=self.headers)


@pytest.fixture
async def keys(connection: StoreConnection) -> dict[str, str]:
    """A key of each tenant, made before the application starts."""
    return {tenant: str(await make_key(connection, tenant)) for tenant in ("acme", "rival")}


@pytest.fixture
async def client(keys: dict[str, str], settings: AppSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings) as client:
        yield client


@pytest.fixture
def acme(client: httpx.AsyncClient, keys: dict[str, str]) -> Basic:
    return Basic(client, keys["acme"])


@pytest.fixture
def rival(client: httpx.AsyncClient, keys: dict[str, str]) -> Basic:
    return Basic(client, keys["rival"])


async def test_without_a_key_the_dialect_says_so(client: httpx.AsyncClient, acme: Basic) -> None:
    response = await client.get("/sdapi/v1/options")
    assert_refused(response, 401, "unauthenticated")
    assert "basic" in response.headers["www-authenticate"].lower()
    assert (await acme.get("options")).status_code == 200
    assert_refused(await Basic(client, "wrong").get("options"), 401, "unauthenticated")


async def test_options_are_each_tenants_own(acme: Basic, rival: Basic) -> None:
    assert (await acme.post("options", samples_format="webp")).status_code == 200
    assert (await acme.get("options")).json()["samples_format"] == "webp"
    assert (await rival.get("options")).json()["samples_format"] == "png"


async def test_nobody_hears_of_or_ends_what_is_anothers(acme: Basic, rival: Basic, player: Player) -> None:
    sent = asyncio.create_task(acme.post("txt2img", **BODIES["txt2img"], force_task_id="task(a)"))
    lease = await wait_until_async(lambda: player.leases.claim("player"), 10)
    assert (await rival.get("progress")).json() == IDLE
    assert (await acme.get("progress")).json()["current_task"] == lease.job_id
    for name in ("task(a)", lease.job_id):
        assert_refused(await rival.get(f"progress?id_task={name}"), 404, "unknown_job", "id_task")
        assert_refused(await rival.post(f"interrupt?id_task={name}"), 404, "unknown_job", "id_task")
    await rival.post("interrupt")
    assert not (await player.job_store.get(lease.job_id)).cancel_requested
    await acme.post("interrupt")
    assert (await player.job_store.get(lease.job_id)).cancel_requested
    await player.settle(lease, "cancelled")
    await sent
