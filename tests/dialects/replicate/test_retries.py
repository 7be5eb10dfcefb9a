"""Replicate's SDK asks again while this service says that it cannot serve now, and is answered when it can."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import replicate
from replicate.exceptions import ReplicateError

from app.settings import AppSettings
from tests.app.conftest import CATALOGUE, client_of
from tests.system.installation import Installation
from tests.waiting import wait_until_async


class Watched(httpx.AsyncBaseTransport):
    """A transport, and the statuses that came through it."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self.statuses: list[int] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        self.statuses.append(response.status_code)
        return response


@pytest.fixture
def installation() -> Iterator[Installation]:
    """A store that is yet to be started."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        installation = Installation(Path(folder), CATALOGUE)
        yield installation
        installation.end()


async def test_reading_is_tried_again_and_creating_is_not(installation: Installation, settings: AppSettings) -> None:
    async with client_of(settings.model_copy(update={"redis_url": f"unix://{installation.socket}"})) as client:
        watched = Watched(client._transport)
        sdk = replicate.Client(base_url="http://test", transport=watched)
        with pytest.raises(ReplicateError, match="try again") as raised:
            await sdk.predictions.async_create("safelight-emoji", {"prompt": "a fox"})
        assert (raised.value.status, watched.statuses) == (503, [503])
        reading = asyncio.create_task(sdk.predictions.async_list())

        async def refused() -> bool:
            return watched.statuses == [503, 503]

        await wait_until_async(refused, 10)
        installation.start_store()
        assert list(await reading) == []
        assert watched.statuses == [503, 503, 200]
