"""Both clients in front of the whole service, the blocking one in a thread, so that one test tries both."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, cast

import pytest

from safelight import AsyncSafelight, Job, Safelight
from tests.system.launched import Launched

FAST: dict[str, Any] = {"num_inference_steps": 2, "height": 64, "width": 64}
"""A picture in no time."""

LONG: dict[str, Any] = {"num_inference_steps": 150, "num_images": 4}
"""A job that is still running when something happens to it."""


class Threaded:
    """A blocking client, called as the asynchronous one is."""

    def __init__(self, client: Safelight) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._client, name)
        if name in ("jobs", "files", "events", "datasets"):
            return lambda *args, **kwargs: _each(call(*args, **kwargs))
        return partial(asyncio.to_thread, call)


async def _each(items: Iterator[Any]) -> AsyncIterator[Any]:
    end = object()
    while (item := await asyncio.to_thread(next, items, end)) is not end:
        yield item


@pytest.fixture(params=["blocking", "asynchronous"])
async def client(service: Launched, request: pytest.FixtureRequest) -> AsyncIterator[AsyncSafelight]:
    """Each client in its turn."""
    if request.param == "blocking":
        with Safelight(service.address) as blocking:
            yield cast(AsyncSafelight, Threaded(blocking))
    else:
        async with AsyncSafelight(service.address) as asynchronous:
            yield asynchronous


async def ended(client: AsyncSafelight, job: Job) -> Job:
    """The job after its cancellation has come to its end."""
    await client.cancel(job)
    return await client.wait(job, timeout_seconds=30)
