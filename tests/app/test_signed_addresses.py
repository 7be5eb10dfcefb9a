"""Signed addresses: they open one picture for a while, for whoever has them, and nothing else."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.settings import AppSettings
from app.signatures import Signer
from contract.signing import RENEWED_SECONDS, SIGNING, SigningSecrets
from contract.store_connection import StoreConnection
from tests.app.conftest import Player, assert_error, client_of, submit
from tests.app.keys import bearer, make_key
from tests.waiting import wait_until_async

MISSING = f"art_{0:032x}_0"


@pytest.fixture
async def anybody(settings: AppSettings, connection: StoreConnection) -> AsyncIterator[httpx.AsyncClient]:
    """A browser: somebody without a key, at an application that wants one."""
    await make_key(connection, "somebody")
    async with client_of(settings) as client:
        yield client


@pytest.fixture
async def owner(anybody: httpx.AsyncClient, connection: StoreConnection) -> httpx.AsyncClient:
    headers = bearer(await make_key(connection, "acme"))
    return httpx.AsyncClient(transport=anybody._transport, base_url=anybody.base_url, headers=headers)


@pytest.fixture
async def job_id(owner: httpx.AsyncClient, player: Player) -> str:
    """A job with a picture."""
    job_id = await submit(owner)
    await player.finish()
    return job_id


async def address_of(owner: httpx.AsyncClient, job_id: str) -> httpx.URL:
    """The address that the job has for its picture now."""
    return httpx.URL((await owner.get(f"/v1/jobs/{job_id}")).json()["images"][0]["url"])


@pytest.fixture
async def address(owner: httpx.AsyncClient, job_id: str) -> httpx.URL:
    return await address_of(owner, job_id)


async def test_the_address_in_a_job_opens_its_picture_in_a_browser(
    anybody: httpx.AsyncClient, owner: httpx.AsyncClient, address: httpx.URL
) -> None:
    opened = await anybody.get(address)
    assert (opened.status_code, opened.headers["content-type"]) == (200, "image/png")
    assert opened.content == (await owner.get(address.copy_with(query=None))).content
    assert (await anybody.get(address, headers={"Range": "bytes=0-3"})).status_code == 206
    assert_error(await anybody.get(address.copy_with(query=None)), 401, "unauthenticated")


@pytest.mark.parametrize("what", ["tenant", "expires", "key", "signature", "picture", "without", "time", "method"])
async def test_what_was_tampered_with_is_as_what_is_not_there(
    *,
    anybody: httpx.AsyncClient,
    owner: httpx.AsyncClient,
    connection: StoreConnection,
    address: httpx.URL,
    player: Player,
    what: str,
) -> None:
    changed = address
    if what in ("tenant", "expires", "key", "signature"):
        likely = {"tenant": "somebody", "expires": str(int(address.params["expires"]) + 60)}
        changed = address.copy_set_param(what, likely.get(what, address.params[what][::-1]))
    elif what == "picture":
        other = await submit(owner)
        await player.finish()
        changed = address.copy_with(path=f"/v1/artifacts/{other.replace('job_', 'art_')}_0")
    elif what == "without":
        changed = address.copy_remove_param("expires")
    elif what == "time":
        (secret,) = (await SigningSecrets(connection).all()).values()
        changed = address.copy_with(query=Signer("acme", secret, -1).query(address.path.split("/")[-1]).encode())
    method = "HEAD" if what == "method" else "GET"
    refused = await anybody.request(method, changed)
    missing = await owner.request(method, f"/v1/artifacts/{MISSING}")
    assert refused.status_code == missing.status_code == 404
    if method == "GET":
        said, expected = refused.json()["error"], missing.json()["error"]
        assert said["message"].replace(changed.path.split("/")[-1], MISSING) == expected["message"]
        assert (said["code"], said["field"]) == (expected["code"], expected["field"])
    assert (await anybody.get(address)).status_code == 200


async def test_a_signature_opens_nothing_else(anybody: httpx.AsyncClient, address: httpx.URL, job_id: str) -> None:
    for path in (f"/v1/jobs/{job_id}", "/v1/jobs"):
        assert_error(await anybody.get(address.copy_with(path=path)), 401, "unauthenticated")
    assert_error(await anybody.get(address, headers={"Authorization": "Bearer wrong"}), 401, "unauthenticated")


async def test_an_address_stays_the_same_for_a_while_so_that_browsers_can_keep_the_picture(
    owner: httpx.AsyncClient, job_id: str
) -> None:
    addresses = {await address_of(owner, job_id) for _ in range(5)}
    assert len(addresses) <= 2, "one, or two over a full minute"


async def test_another_process_knows_the_secret(settings: AppSettings, address: httpx.URL) -> None:
    async with client_of(settings) as other:
        assert (await other.get(address)).status_code == 200


async def test_a_secret_is_renewed_and_the_old_one_known_while_something_holds_by_it(
    *,
    anybody: httpx.AsyncClient,
    owner: httpx.AsyncClient,
    connection: StoreConnection,
    address: httpx.URL,
    job_id: str,
) -> None:
    signing = SigningSecrets(connection)
    (old,) = (await signing.all()).values()
    await signing.renew(kept_seconds=900)
    assert list(await signing.all()) == [old.id], "it is young"
    await age(connection, old.id, RENEWED_SECONDS + 1)

    async def signed_anew() -> httpx.URL | None:
        fresh = await address_of(owner, job_id)
        return None if fresh.params["key"] == old.id else fresh

    fresh = await wait_until_async(signed_anew, 3)
    assert [(await anybody.get(one)).status_code for one in (address, fresh)] == [200, 200]
    await age(connection, old.id, 900)
    await signing.renew(kept_seconds=900)
    assert list(await signing.all()) == [fresh.params["key"]]


async def age(connection: StoreConnection, secret_id: str, seconds: float) -> None:
    """Makes a secret older, and says that something has changed."""
    created_at, secret = (await connection.redis.hget(SIGNING, secret_id)).split(":")
    await connection.redis.hset(SIGNING, secret_id, f"{float(created_at) - seconds}:{secret}")
    await connection.redis.incr("safelight:keys:version")


async def test_every_address_can_be_made_void(
    *,
    anybody: httpx.AsyncClient,
    owner: httpx.AsyncClient,
    connection: StoreConnection,
    address: httpx.URL,
    job_id: str,
) -> None:
    await SigningSecrets(connection).void()

    async def void() -> bool:
        return (await anybody.get(address)).status_code == 404

    await wait_until_async(void, 3)
    assert (await anybody.get(await address_of(owner, job_id))).status_code == 200


async def test_signatures_can_be_turned_off(settings: AppSettings, owner: httpx.AsyncClient, job_id: str) -> None:
    async with client_of(settings.model_copy(update={"signed_seconds": 0})) as client:
        job = (await client.get(f"/v1/jobs/{job_id}", headers=owner.headers)).json()
        assert "?" not in job["images"][0]["url"]


async def test_without_keys_addresses_need_no_signature(client: httpx.AsyncClient, player: Player) -> None:
    job_id = await submit(client)
    await player.finish()
    address = await address_of(client, job_id)
    assert address.query == b""
    assert (await client.get(f"{address}?signature=x")).status_code == 200
