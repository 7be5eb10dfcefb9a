"""Errors as the SDK meets them: their classes, what they name, and whether it is told to try again."""

import asyncio

import httpx
import openai
import pytest

from app.errors import ANSWERS
from app.settings import AppSettings
from contract.job import JobFailure
from contract.store_connection import StoreConnection
from tests.app.conftest import Player
from tests.app.keys import make_key
from tests.dialects.openai.desk import PICTURE, Desk, assert_refused
from tests.dialects.openai.operations import GENERATIONS
from tests.dialects.openai.sdk import sdk_of
from tests.waiting import wait_until_async

PROMPT = {"prompt": "a red apple"}


async def test_a_wrong_parameter(settings: AppSettings) -> None:
    async with sdk_of(settings) as sdk:
        with pytest.raises(openai.BadRequestError) as raised:
            await sdk.images.generate(**PROMPT, size="1024x1024")
    error = raised.value
    assert (error.param, error.code, error.type) == ("size", "limit_exceeded", "invalid_request_error")
    assert error.request_id
    assert error.response.headers["x-should-retry"] == "false"


async def test_an_unknown_model(settings: AppSettings) -> None:
    async with sdk_of(settings) as sdk:
        with pytest.raises(openai.NotFoundError) as raised:
            await sdk.images.generate(**PROMPT, model="gpt-image-2")
        assert (raised.value.param, raised.value.code) == ("model", "unknown_model")
        with pytest.raises(openai.NotFoundError):
            await sdk.models.retrieve("gpt-image-2")


async def test_keys_that_do_not_open(settings: AppSettings, connection: StoreConnection) -> None:
    """Where there are keys, the SDK's own is one of them."""
    reader = await make_key(connection, scopes=("read",))
    async with sdk_of(settings) as sdk:
        with pytest.raises(openai.AuthenticationError) as raised:
            await sdk.images.generate(**PROMPT)
        assert (raised.value.type, raised.value.code) == ("authentication_error", "unauthenticated")
        reading = sdk.with_options(api_key=str(reader))
        assert [model.id async for model in reading.models.list()] == ["safelight-emoji"]
        with pytest.raises(openai.PermissionDeniedError) as forbidden:
            await reading.images.edit(image=PICTURE, **PROMPT)
        assert forbidden.value.response.headers["x-should-retry"] == "false"


async def test_a_full_queue(settings: AppSettings) -> None:
    async with sdk_of(settings.model_copy(update={"max_queued_jobs": 0})) as sdk:
        with pytest.raises(openai.RateLimitError) as raised:
            await sdk.images.generate(**PROMPT)
    headers = raised.value.response.headers
    assert (raised.value.code, headers["x-should-retry"], headers["retry-after"]) == ("queue_full", "true", "10")


async def test_the_store_is_away(settings: AppSettings) -> None:
    async with sdk_of(settings.model_copy(update={"redis_url": "unix:///nowhere.sock"})) as sdk:
        with pytest.raises(openai.InternalServerError) as raised:
            await sdk.images.generate(**PROMPT)
    headers = raised.value.response.headers
    assert (raised.value.status_code, raised.value.code) == (503, "store_unavailable")
    assert (headers["x-should-retry"], headers["retry-after"]) == ("true", "2")


async def failed(desk: Desk, failure: JobFailure) -> httpx.Response:
    """The answer to a call whose job fails in this way."""
    answer = asyncio.ensure_future(desk.call(GENERATIONS))
    lease = await wait_until_async(lambda: desk.player.leases.claim("player"), 10)
    await desk.player.settle(lease, "failed", failure)
    response = await answer
    assert response.headers["x-job-id"] == lease.job_id
    return response


@pytest.mark.parametrize(
    ("code", "status", "retry"),
    [("worker_died", 500, True), ("generation_failed", 500, False), ("invalid_mask", 400, False)],
)
async def test_a_job_that_fails(desk: Desk, code: str, status: int, retry: bool) -> None:
    failure = JobFailure(code=code, message="No.", retryable=retry, field="mask" if status == 400 else None)
    message = assert_refused(await failed(desk, failure), status, failure.field, retry=retry)
    assert ("No." in message) == (status == 400)


async def test_a_job_that_is_cancelled(desk: Desk) -> None:
    answer = asyncio.ensure_future(desk.call(GENERATIONS))
    lease = await wait_until_async(lambda: desk.player.leases.claim("player"), 10)
    await desk.player.settle(lease, "cancelled")
    response = await answer
    assert lease.job_id in assert_refused(response, 409, None)
    assert response.json()["error"]["code"] == "job_cancelled"


@pytest.mark.parametrize(
    ("content", "media_type", "status", "parameter"),
    [
        (b"", "application/json", 400, None),
        (b"{", "application/json", 400, None),
        (b"[]", "application/json", 400, None),
        (b'{"prompt": "x", "prompt": "y"}', "application/json", 400, None),
        (b'{"prompt": 7}', "application/json", 400, "prompt"),
        (b'{"prompt": "x"}', "text/plain", 415, "Content-Type"),
        (b'{"prompt": "' + b"x" * 300_000 + b'"}', "application/json", 413, None),
    ],
)
async def test_bodies_that_cannot_be_read(
    client: httpx.AsyncClient, content: bytes, media_type: str, status: int, parameter: str | None
) -> None:
    response = await client.post("/v1/images/generations", content=content, headers={"content-type": media_type})
    assert_refused(response, status, parameter)


async def test_a_process_that_ends_tells_its_clients_to_try_again(settings: AppSettings, player: Player) -> None:
    closing = asyncio.Event()
    async with sdk_of(settings, closing) as sdk:
        answer = asyncio.ensure_future(sdk.images.generate(**PROMPT))

        async def waits() -> bool:
            return (await player.job_store.counts())["queued"] > 0

        await wait_until_async(waits, 10)
        closing.set()
        with pytest.raises(openai.InternalServerError) as raised:
            await answer
    assert (raised.value.status_code, raised.value.response.headers["x-should-retry"]) == (503, "true")


def test_no_error_is_answered_with_422() -> None:
    from app.dialects.openai.errors import OpenAIRoute

    assert 422 not in {OpenAIRoute.status_of(kind) for kind in ANSWERS}
