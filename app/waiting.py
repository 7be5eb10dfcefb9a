"""Waiting for what may never come: with an eye on the client, the clock, and the end of the process."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Iterable
from contextlib import aclosing
from typing import Any, TypeVar, cast

from starlette.requests import Request

from contract.cancellation import end
from contract.job_events import JobEvent
from contract.job_store import JobStore
from contract.jobs import Jobs

T = TypeVar("T")

WISH_INTERVAL_SECONDS = 10.0
"""An idle stream is looked at every BLOCK_SECONDS, so that a wish, which holds for 30 seconds, never lapses."""


async def first_of(*waits: Awaitable[object], timeout_seconds: float | None = None) -> None:
    """Waits until one of these is done, or the time is over; then none of them goes on.

    Raises: what the one that was done raises.
    """
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await stop(tasks)


async def stop(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancels until all have ended. Who is cancelled meanwhile hears of it then: what is left running could be in the
    way of whoever closes what it uses.
    """
    ending = asyncio.ensure_future(end(tasks))
    interrupted = False
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            interrupted = True
    if interrupted:
        raise asyncio.CancelledError


async def until(closing: asyncio.Event, items: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """Passes items on, as they come, until the event is set."""
    async with aclosing(items):
        while True:
            following = asyncio.ensure_future(_next(items))
            await first_of(following, closing.wait())
            if following.cancelled() or not (found := following.result()):
                return
            yield found[0]


def follow(jobs: Jobs[Any, Any], job_id: str, after: str) -> AsyncGenerator[JobEvent | None]:
    """`Jobs.follow`, as the generator that it is, so that it can be closed."""
    return cast("AsyncGenerator[JobEvent | None]", jobs.follow(job_id, after))


async def wishing_previews(
    job_store: JobStore,
    job_id: str,
    events: AsyncGenerator[JobEvent | None],
    interval_seconds: float = WISH_INTERVAL_SECONDS,
) -> AsyncGenerator[JobEvent | None]:
    """Passes events on, and says all the while that somebody watches previews."""
    async with aclosing(events):
        await job_store.wish_previews(job_id)
        wished_at = time.monotonic()
        async for event in events:
            if time.monotonic() - wished_at >= interval_seconds:
                await job_store.wish_previews(job_id)
                wished_at = time.monotonic()
            yield event


async def ended(events: AsyncGenerator[JobEvent | None]) -> None:
    """Returns when the last event has come."""
    async with aclosing(events):
        async for _ in events:
            pass


async def disconnected(request: Request) -> None:
    """Returns when the client has gone. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _next(items: AsyncGenerator[T]) -> list[T]:
    try:
        return [await anext(items)]
    except StopAsyncIteration:
        return []
