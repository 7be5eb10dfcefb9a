"""Keys in Replicate's dialect: both words before a token, whose account it is, and what a stranger does not see."""

from collections.abc import AsyncIterator

import httpx
import pytest
import replicate
from replicate.exceptions import ReplicateError

from app.settings import AppSettings
from contract.key_texts import KeyText
from contract.store_connection import StoreConnection
from tests.app.conftest import client_of
from tests.app.keys import bearer, make_key
from tests.dialects.replicate.conftest import MODEL

INPUT = {"prompt": "a red apple"}


@pytest.fixture
async def keys(connection: StoreConnection) -> dict[str, KeyText]:
    """A key of each of two tenants."""
    return {tenant: await make_key(connection, tenant) for tenant in ("acme", "rival")}


@pytest.fixture
async def client(keys: dict[str, KeyText], settings: AppSettings) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a key, at an application that knows the keys from its start."""
    async with client_of(settings) as client:
        yield client


def sdk_of(client: httpx.AsyncClient, token: str) -> replicate.Client:
    """The SDK with a token, in front of the application in this process."""
    return replicate.Client(base_url="http://test", api_token=token, transport=client._transport)


@pytest.fixture
async def acme(client: httpx.AsyncClient, keys: dict[str, KeyText]) -> replicate.Client:
    return sdk_of(client, str(keys["acme"]))


@pytest.fixture
async def rival(client: httpx.AsyncClient, keys: dict[str, KeyText]) -> replicate.Client:
    return sdk_of(client, str(keys["rival"]))


async def test_an_account_is_the_tenant(acme: replicate.Client, rival: replicate.Client) -> None:
    assert [(await sdk.accounts.async_current()).username for sdk in (acme, rival)] == ["acme", "rival"]


async def test_old_clients_say_token(client: httpx.AsyncClient, keys: dict[str, KeyText]) -> None:
    for headers in (bearer(keys["acme"]), {"Authorization": f"Token {keys['acme']}"}):
        assert (await client.get("/v1/account", headers=headers)).json()["username"] == "acme"


async def test_a_wrong_token_is_said_to_be_one(client: httpx.AsyncClient) -> None:
    stranger = sdk_of(client, "r8_nobody")
    for call in (
        stranger.predictions.async_create(MODEL, INPUT),
        stranger.predictions.async_list(),
        stranger.models.async_list(),
        stranger.accounts.async_current(),
        stranger.deployments.async_get("safelight/any"),
        stranger.webhooks.default.async_secret(),
    ):
        with pytest.raises(ReplicateError, match="not an API key") as raised:
            await call
        assert (raised.value.status, raised.value.title) == (401, "Unauthorized")


async def test_predictions_are_their_tenants(acme: replicate.Client, rival: replicate.Client) -> None:
    prediction = await acme.predictions.async_create(MODEL, INPUT)
    assert list(await rival.predictions.async_list()) == []
    for call in (rival.predictions.async_get(prediction.id), rival.predictions.async_cancel(prediction.id)):
        with pytest.raises(ReplicateError, match="There is no job") as raised:
            await call
        assert raised.value.status == 404
    assert (await acme.predictions.async_get(prediction.id)).status == "starting"


async def test_secrets_are_their_tenants(acme: replicate.Client, rival: replicate.Client) -> None:
    keys = [(await sdk.webhooks.default.async_secret()).key for sdk in (acme, rival, acme)]
    assert keys[0] == keys[2] != keys[1]
