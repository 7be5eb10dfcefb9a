"""Who comes in: the schemes of credentials, what is open, and how soon a change of keys is known."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from app.settings import AppSettings
from contract.key_texts import KeyText
from contract.keys import KeyStore, Scope
from contract.store_connection import StoreConnection
from tests.app.conftest import BODY, assert_error, client_of
from tests.app.keys import bearer, make_expired_key, make_key, make_revoked_key
from tests.waiting import wait_until_async


@pytest.fixture
async def key(connection: StoreConnection) -> KeyText:
    """A key that is there before the application starts."""
    return await make_key(connection)


@pytest.fixture
async def guarded(key: KeyText, settings: AppSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A client, without a key, of an application that wants one."""
    async with client_of(settings) as client:
        yield client


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer  ", "Token ", "Key ", "basic"])
async def test_a_key_is_taken_as_clients_send_it(guarded: httpx.AsyncClient, key: KeyText, scheme: str) -> None:
    value = basic("anybody", str(key)) if scheme == "basic" else f"{scheme}{key}"
    assert (await guarded.get("/v1/jobs", headers={"Authorization": value})).status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer sk-something",
        "Basic !",
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        basic("user", ""),
        "Digest x",
        pytest.param(f"Bearer {KeyText.fresh()}", id="Bearer of a key that nobody made"),
    ],
)
async def test_what_opens_nothing(guarded: httpx.AsyncClient, value: str) -> None:
    response = await guarded.get("/v1/jobs", headers={"Authorization": value})
    assert_error(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="Safelight"'


async def test_the_secret_of_another_key_opens_nothing(guarded: httpx.AsyncClient, key: KeyText) -> None:
    forged = KeyText(key.id, KeyText.fresh().secret)
    assert_error(await guarded.get("/v1/jobs", headers=bearer(forged)), 401, "unauthenticated")


async def test_a_key_that_has_ended_says_why(settings: AppSettings, connection: StoreConnection) -> None:
    ended = {"expired": await make_expired_key(connection), "revoked": await make_revoked_key(connection)}
    async with client_of(settings) as client:
        for word, text in ended.items():
            response = await client.get("/v1/jobs", headers=bearer(text))
            assert_error(response, 401, "unauthenticated")
            assert word in response.json()["error"]["message"]


async def test_a_body_is_not_read_before_it_is_known_who_sends_it(guarded: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    assert_error(await guarded.post("/v1/generations", content=body()), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (("read",), {"GET /v1/jobs"}),
        (("generate",), {"POST /v1/generations"}),
        (("admin",), {"GET /metrics"}),
    ],
)
async def test_a_scope_is_for_its_own_calls(
    guarded: httpx.AsyncClient, connection: StoreConnection, scopes: tuple[Scope, ...], allowed: set[str]
) -> None:
    headers = bearer(await make_key(connection, scopes=scopes))
    for call in ("GET /v1/jobs", "POST /v1/generations", "GET /metrics"):
        method, path = call.split()
        response = await guarded.request(method, path, headers=headers, json=BODY if method == "POST" else None)
        if call in allowed:
            assert response.is_success
        else:
            assert_error(response, 403, "forbidden")


async def test_without_keys_everybody_is_let_in_whatever_they_send(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/jobs", headers={"Authorization": "Bearer sk-something"})).status_code == 200
    assert (await client.get("/metrics")).status_code == 200


async def test_the_first_key_shuts_the_door_soon(client: httpx.AsyncClient, connection: StoreConnection) -> None:
    public = (await client.post("/v1/generations", json=BODY)).json()["id"]
    key = await make_key(connection, tenant="public")

    async def shut() -> bool:
        return (await client.get("/v1/jobs")).status_code == 401

    await wait_until_async(shut, 2)
    (job,) = (await client.get("/v1/jobs", headers=bearer(key))).json()["data"]
    assert job["id"] == public, "what was made before there were keys belongs to `public`"


async def test_a_revoked_key_is_dead_soon(
    guarded: httpx.AsyncClient, key: KeyText, connection: StoreConnection
) -> None:
    assert (await guarded.get("/v1/jobs", headers=bearer(key))).status_code == 200
    await KeyStore(connection).revoke(key.id)

    async def dead() -> bool:
        return (await guarded.get("/v1/jobs", headers=bearer(key))).status_code == 401

    await wait_until_async(dead, 2)


async def test_a_rotated_key_opens_what_the_old_one_does(
    guarded: httpx.AsyncClient, key: KeyText, connection: StoreConnection
) -> None:
    new = await KeyStore(connection).rotate(key.id, timedelta(hours=1))
    for text in (key, new):
        assert (await guarded.get("/v1/jobs", headers=bearer(text))).status_code == 200


async def test_where_something_else_guards_the_port_everybody_comes_in_while_there_is_no_key(
    settings: AppSettings,
) -> None:
    guarded = settings.model_copy(update={"host": "0.0.0.0", "open_to_others": True})
    async with client_of(guarded) as client:
        assert (await client.get("/v1/jobs")).status_code == 200


async def test_a_key_is_never_taken_for_anybodys_word(client: httpx.AsyncClient, connection: StoreConnection) -> None:
    """Not even in the moment in which it was made, and the process knows of no key."""
    await client.get("/v1/jobs")
    headers = bearer(await make_key(connection))
    created = await client.post("/v1/generations", json=BODY, headers=headers)
    assert (await client.get("/v1/jobs", headers=headers)).json()["data"][0]["id"] == created.json()["id"]


async def test_from_elsewhere_nobody_comes_in_without_a_key(settings: AppSettings) -> None:
    async with client_of(settings.model_copy(update={"host": "0.0.0.0"})) as client:
        assert_error(await client.get("/v1/jobs"), 401, "unauthenticated")
        assert (await client.get("/healthz")).status_code == 200
