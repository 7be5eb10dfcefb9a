"""A job's events as a stream of server-sent events."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.dependencies import ExistingJob, Presenter, PresenterOf, ResourcesOf
from app.error_responses import documented
from app.followers import Following, OnDisconnectQuery, following
from app.waiting import follow, until, wishing_previews
from contract.errors import InvalidRequest, SafelightError, StoreUnavailable, UnknownJob
from contract.job_events import FIRST, JobEvent

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MAX_ID_PART = 2**64 - 1

EXAMPLE = """\
event: started
data: {"attempt":1}
id: 1795512600250-0

event: progress
data: {"step":5,"total_steps":20,"fraction":0.25,"eta_seconds":1.5}
id: 1795512600950-0

"""


async def after(
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            description="The id of the last event that was received; the stream goes on after it.",
            examples=["1795512600250-0"],
            json_schema_extra={"pattern": "^([0-9]{1,19}-[0-9]{1,19})?$"},
        ),
    ] = None,
) -> str:
    """The event id after which the stream begins. Raises: InvalidRequest."""
    if not last_event_id:
        return FIRST
    match = re.fullmatch(r"([0-9]{1,20})-([0-9]{1,20})", last_event_id)
    if match is None or max(int(part) for part in match.groups()) > MAX_ID_PART:
        raise InvalidRequest("Last-Event-ID is not the id of an event.", field="Last-Event-ID")
    return last_event_id


async def follower(
    job: ExistingJob, resources: ResourcesOf, on_disconnect: OnDisconnectQuery = "keep"
) -> AsyncIterator[Following]:
    """This call as one of those that follow the job. It ends with the answer, which may end before it has begun."""
    async with following(job, resources, on_disconnect, left=True) as call:
        yield call


@router.get(
    "/{job_id}/events",
    response_class=EventSourceResponse,
    response_description="The events `queued`, `started`, `progress`, `preview`, `image`, and last `succeeded`, "
    "`failed` or `cancelled`. The data of `image` is an image as in the job, that of the last event the whole job. A "
    "job whose worker is lost is `queued` and `started` again. Comment lines keep the connection alive.",
    responses={
        200: {"content": {"text/event-stream": {"example": EXAMPLE}}},
        **documented(InvalidRequest, UnknownJob, StoreUnavailable),
    },
)
async def follow_job(
    *,
    job: ExistingJob,
    resources: ResourcesOf,
    presenter: PresenterOf,
    after: Annotated[str, Depends(after)],
    call: Annotated[Following, Depends(follower)],
    previews: Annotated[
        bool,
        Query(description="Whether to send `preview` events with small JPEGs of the estimates.", examples=[True]),
    ] = False,
) -> AsyncIterator[ServerSentEvent]:
    """Follow a job from its first event, or from `Last-Event-ID` on, to its last one."""
    events = until(resources.closing, follow(resources.job_store, job.id, after))
    if previews:
        events = wishing_previews(resources.job_store, job.id, events)
    told = streamed(events, partial(shown, job_id=job.id, presenter=presenter), previews=previews)
    async with aclosing(told):
        async for event in told:
            yield event
    call.left = False


async def streamed(
    events: AsyncGenerator[JobEvent | None],
    shown: Callable[[JobEvent], Awaitable[ServerSentEvent]],
    *,
    previews: bool = False,
) -> AsyncGenerator[ServerSentEvent]:
    """Events as they are sent; a failure on the way is a comment, after which the client connects again."""
    async with aclosing(events):
        try:
            async for event in events:
                if event is None:
                    yield ServerSentEvent(comment="still here")
                elif previews or event.name != "preview":
                    yield await shown(event)
        except UnknownJob:
            pass
        except SafelightError as error:
            yield ServerSentEvent(comment=f"{error.code}; connect again with Last-Event-ID", retry=2000)


async def shown(event: JobEvent, *, job_id: str, presenter: Presenter) -> ServerSentEvent:
    """One event as clients see it."""
    data = event.data
    if event.name == "image":
        data = presenter.image(data).model_dump_json()
    elif event.last:
        data = (await presenter.job(await presenter.job_store.get(job_id))).model_dump_json()
    return ServerSentEvent(event=event.name, raw_data=data, id=event.id)
