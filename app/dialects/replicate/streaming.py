"""A prediction as Replicate's stream of server-sent events: logs and pictures as they come, then how it ended.

Every frame has an id, without which the SDK drops it: that of the job's event that it tells of, and its place among the
frames of that event. What frames say depends on events before them, so each stream reads the job from its beginning and
passes over what the client has.
Source: replicate-python, `replicate/stream.py`; replicate.com/docs/topics/predictions/streaming.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.dependencies import LinksOf, ResourcesOf
from app.dialects.replicate.logs import closing, steps
from app.dialects.replicate.predictions import ExistingPrediction
from app.dialects.replicate.route import ReplicateRoute
from app.links import Links
from app.waiting import follow, until
from contract.artifact import Artifact
from contract.errors import InvalidRequest, SafelightError, StoreUnavailable, UnknownJob
from contract.job import Job
from contract.job_events import FIRST, JobEvent

router = APIRouter(prefix="/v1/predictions", tags=["replicate"], route_class=ReplicateRoute)

EXAMPLE = """\
event: logs
data:  50%|█████     | 1/2
data:
id: 1795512600950-0:0

event: output
data: http://127.0.0.1:8000/v1/artifacts/art_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6_0
id: 1795512601250-0:0

event: done
data: {}
id: 1795512601250-1:0

"""

PLACE = "[0-9]{1,20}-[0-9]{1,20}:[0-9]{1,3}"

FrameName = Literal["logs", "output", "error", "done"]

ENDS = {"succeeded": {}, "failed": {"reason": "error"}, "cancelled": {"reason": "canceled"}}


class Place(NamedTuple):
    """Where in the stream a frame is: the two parts of its event's id, and its place among the event's frames."""

    milliseconds: int
    sequence: int
    frame: int

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.sequence}:{self.frame}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """From the text of an id. Raises: InvalidRequest."""
        if not re.fullmatch(PLACE, text):
            raise InvalidRequest("Last-Event-ID is not the id of an event of this stream.", field="Last-Event-ID")
        return cls(*(int(part) for part in re.split("[-:]", text)))


class Frames:
    """Makes frames of a job's events."""

    def __init__(self, total_steps: int, links: Links) -> None:
        self._total_steps = total_steps
        self._links = links
        self._step = 0

    def of(self, event: JobEvent, job: Job | None) -> Iterator[tuple[FrameName, str]]:
        """What clients are told of an event; `job` is the job after its last one."""
        match event.name:
            case "started":
                self._step = 0
            case "progress":
                yield from self._logs(json.loads(event.data)["step"])
            case "image":
                yield "output", self._links.artifact(Artifact.model_validate_json(event.data).id)
        if job is not None:
            yield from self._logs(job.progress.step, closing(job))
            if job.error is not None:
                yield "error", json.dumps({"detail": job.error.message})
            yield "done", json.dumps(ENDS[job.status])

    def _logs(self, step: int, more: str = "") -> Iterator[tuple[FrameName, str]]:
        text = steps(self._step, step, self._total_steps) + more
        self._step = step
        if text:
            yield "logs", text


def _as_json(answers: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """The same errors, said to be JSON: FastAPI takes all answers of a stream for streams."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ReplicateRoute.error_shape.__name__}"}}}
    return {status: {"description": answer["description"], "content": content} for status, answer in answers.items()}


async def after(
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            description="The id of the last event that was received; the stream goes on after it.",
            examples=["1795512600950-0:0"],
            json_schema_extra={"pattern": f"^({PLACE})?$"},
        ),
    ] = None,
) -> Place:
    """The place after which the stream begins. Raises: InvalidRequest."""
    return Place.read(last_event_id) if last_event_id else Place(0, 0, 0)


@router.get(
    "/{prediction_id}/stream",
    response_class=EventSourceResponse,
    response_description="The events `logs`, `output` with the address of a picture, `error`, and last `done`. Comment "
    "lines keep the connection alive.",
    responses={
        200: {"content": {"text/event-stream": {"example": EXAMPLE}}},
        **_as_json(ReplicateRoute.documented(InvalidRequest, UnknownJob, StoreUnavailable)),
    },
)
async def stream_prediction(
    job: ExistingPrediction, resources: ResourcesOf, links: LinksOf, after: Annotated[Place, Depends(after)]
) -> AsyncIterator[ServerSentEvent]:
    """Follow a prediction from its beginning, or from `Last-Event-ID` on, to its end."""
    frames = Frames(job.progress.total_steps, links)
    async with aclosing(until(resources.closing, follow(resources.job_store, job.id, FIRST))) as events:
        try:
            async for event in events:
                if event is None:
                    yield ServerSentEvent(comment="still here")
                    continue
                ended = await resources.job_store.get(job.id) if event.last else None
                milliseconds, _, sequence = event.id.partition("-")
                for number, (name, data) in enumerate(frames.of(event, ended)):
                    place = Place(int(milliseconds), int(sequence), number)
                    if place > after:
                        yield ServerSentEvent(event=name, raw_data=data, id=str(place))
        except UnknownJob:
            return
        except SafelightError as error:
            yield ServerSentEvent(comment=f"{error.code}; connect again with Last-Event-ID", retry=2000)
