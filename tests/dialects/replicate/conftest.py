"""Replicate's SDK: in front of the whole service, and, with the application in this process, of somebody who plays."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import replicate

from tests.app.conftest import artifacts_folder, client, connection, job_store, player, settings
from tests.system.launched import Launched

__all__ = ["artifacts_folder", "client", "connection", "job_store", "player", "settings"]

MODEL = "safelight-emoji"
NAME = f"safelight/{MODEL}"
POLL_SECONDS = 0.05

CREATING = ("POST /v1/predictions", "POST /v1/models/{owner}/{name}/predictions")
"""The operations that take the same parameters, but for the name of the model."""

Test = Callable[..., object]


def creating(parameter: str, how: str, remark: str) -> Callable[[Test], Test]:
    """Marks a test that shows what becomes of a parameter with which predictions are created."""

    def mark(test: Test) -> Test:
        for operation in CREATING:
            test = pytest.mark.compat(operation, parameter, how, remark)(test)
        return test

    return mark


@pytest.fixture
async def sdk(service: Launched) -> AsyncIterator[replicate.Client]:
    """The SDK as people use it, in front of the whole service."""
    client = replicate.Client(base_url=service.address, api_token="a-token")
    client.poll_interval = POLL_SECONDS
    yield client
    client._client.close()
    await client._async_client.aclose()


@pytest.fixture
async def local(client: httpx.AsyncClient) -> AsyncIterator[replicate.Client]:
    """The SDK's asynchronous half, in front of the application in this process."""
    local = replicate.Client(base_url="http://test", api_token="a-token", transport=client._transport)
    local.poll_interval = POLL_SECONDS
    yield local
    await local._async_client.aclose()
