"""Who follows a job, and what becomes of it when its last follower has gone."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import ClientDisconnect, Request

from app.resources import Resources
from app.waiting import disconnected, ended, first_of, follow
from contract.errors import StoreUnavailable
from contract.followers import Followers
from contract.job import Job
from contract.job_events import FIRST

logger = logging.getLogger("safelight.app")

FIRST_RETRY_SECONDS = 0.25
MAX_RETRY_SECONDS = 10.0

OnDisconnect = Literal["cancel", "keep"]

OnDisconnectQuery = Annotated[
    OnDisconnect,
    Query(
        description="What becomes of the job when this client disconnects before the job has ended: with `cancel`, the "
        "last of the calls that follow it takes it along. The end of the time to wait is no disconnection.",
        examples=["cancel"],
    ),
]


@dataclass(slots=True)
class Following:
    """One call that follows a job; `left` says that its client has gone before its time."""

    left: bool


@asynccontextmanager
async def following(
    job: Job, resources: Resources, on_disconnect: OnDisconnect, *, left: bool
) -> AsyncIterator[Following]:
    """Counts a call among a job's followers while this lasts. `left` is what holds until something else is said.

    Promise: the wish of a client that has left reaches the store, also when the call is interrupted or the store away.
    """
    follower, call = secrets.token_hex(8), Following(left)
    try:
        if not job.ended:
            with suppress(StoreUnavailable):
                await resources.followers.join(job.id, follower)
        yield call
    except ClientDisconnect:
        raise
    except BaseException:
        call.left = False
        raise
    finally:
        cancel = on_disconnect == "cancel" and call.left and not resources.closing.is_set()
        if not job.ended:
            resources.errands.begin(_leave(resources.followers, job.id, follower, cancel=cancel))


async def until_ended(
    job: Job,
    request: Request,
    resources: Resources,
    on_disconnect: OnDisconnect = "keep",
    timeout_seconds: float | None = None,
) -> None:
    """Waits until the job has ended, its client has gone, this process is about to end, or the time is over.

    A call that keeps the job in any case is not counted among its followers. Raises: StoreUnavailable.
    """
    uncounted = nullcontext(Following(left=False))
    counted = following(job, resources, on_disconnect, left=False)
    async with uncounted if on_disconnect == "keep" else counted as call:

        async def departure() -> None:
            await disconnected(request)
            call.left = True

        events = follow(resources.job_store, job.id, FIRST)
        await first_of(ended(events), departure(), resources.closing.wait(), timeout_seconds=timeout_seconds)


async def patiently(
    job: Job, wait_seconds: int, request: Request, resources: Resources, on_disconnect: OnDisconnect = "keep"
) -> Job:
    """The job when it has ended, or as it is when the time, the client's patience, or this process is over.

    The job is accepted by now, so the client must hear of it even when the store goes away meanwhile.
    """
    if job.ended or wait_seconds == 0:
        return job
    try:
        await until_ended(job, request, resources, on_disconnect, wait_seconds)
        return await resources.job_store.get(job.id)
    except StoreUnavailable:
        return job


async def _leave(followers: Followers, job_id: str, follower: str, *, cancel: bool) -> None:
    pause = FIRST_RETRY_SECONDS
    while True:
        try:
            if await followers.leave(job_id, follower, cancel=cancel):
                logger.info("%s: to be cancelled, as its last follower has gone", job_id)
            return
        except StoreUnavailable:
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_RETRY_SECONDS)
