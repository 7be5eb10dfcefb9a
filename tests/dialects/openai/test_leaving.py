"""Clients that go away while nothing happens: the API lets go of everything that it did for them, and of no job."""

import asyncio
from typing import Any

import pytest

from contract.job_store import JobStore
from tests.app.conftest import Api
from tests.dialects.openai.desk import PICTURE
from tests.waiting import wait_until_async

JSON: dict[str, Any] = {"json": {"prompt": "a red apple"}}
CALLS = {
    "generation": ("/v1/images/generations", JSON),
    "edit": ("/v1/images/edits", {"data": {"prompt": "a fox"}, "files": {"image": PICTURE}}),
    "stream": ("/v1/images/generations", {"json": {"prompt": "a red apple", "stream": True, "partial_images": 3}}),
    "stream of an edit": (
        "/v1/images/edits",
        {"data": {"prompt": "a fox", "stream": "true"}, "files": {"image": PICTURE}},
    ),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_client_that_leaves(api: Api, job_store: JobStore, call: str) -> None:
    path, body = CALLS[call]

    async def num_following(expected: int) -> bool:
        """Whether so many connections wait for events of a job."""
        return int((await job_store._redis.info("clients"))["blocked_clients"]) == expected

    async with api.client() as client:
        request = client.build_request("POST", path, **body)
        waiting = asyncio.ensure_future(client.send(request, stream=True))
        await wait_until_async(lambda: num_following(1), 10)
        if call.startswith("stream"):
            await (await waiting).aclose()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await wait_until_async(lambda: num_following(0), 5)
    assert (await job_store.counts())["queued"] == 1
    assert "Traceback" not in api.log.read_text()
