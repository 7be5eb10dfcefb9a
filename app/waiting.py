"""Waiting for what may never come: the end of a job, with an eye on the client, the clock, and the end of the process."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar, cast

from starlette.requests import Request

from contract.job_store import JobEvent, JobStore

T = TypeVar("T")


async def first_of(*waits: Coroutine[Any, Any, object], timeout_seconds: float | None = None) -> None:
    """Waits until one of these is done, or the time is over; then none of them goes on.

    Raises: what the one that was done raises.
    """
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _end(tasks)


async def until(closing: asyncio.Event, items: AsyncGenerator[T]) -> AsyncIterator[T]:
    """Passes items on, as they come, until the event is set."""
    async with aclosing(items):
        while not closing.is_set():
            following = asyncio.ensure_future(cast("Coroutine[Any, Any, T]", anext(items)))
            await first_of(_ended(following), closing.wait())
            if following.cancelled() or not following.done():
                return
            try:
                yield following.result()
            except StopAsyncIteration:
                return


async def ended(job_store: JobStore, job_id: str) -> None:
    """Returns when the job has ended. Raises: UnknownJob."""
    events = cast("AsyncGenerator[JobEvent | None]", job_store.follow(job_id))
    async with aclosing(events):
        async for _ in events:
            pass


async def disconnected(request: Request) -> None:
    """Returns when the client has gone. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
