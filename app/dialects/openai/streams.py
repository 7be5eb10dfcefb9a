"""A job as a stream of events for OpenAI's clients: estimates of its pictures, then the pictures, or one error.

Their reader of events takes a frame with nothing but `id:` or `retry:` for one with data, and breaks off; so there are
none of these here.
"""

import json
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Literal, NamedTuple

from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse

from app.dialects.openai.answers import JOB_HEADER
from app.dialects.openai.bodies import Drawing, Quality
from app.dialects.openai.errors import OpenAIErrorResponse, OpenAIRoute
from app.dialects.openai.translation import said_quality
from app.dialects.outcomes import success
from app.dialects.route import ours
from app.picture_headers import declared_size
from app.resources import Resources
from app.waiting import follow, until, wishing_previews
from contract.artifact import Artifact
from contract.job import Job
from contract.job_events import FIRST, JobEvent

Kind = Literal["image_generation", "image_edit"]
"""How the types of all events of an operation begin."""

HEARTBEAT = format_sse_event(comment="still here")
QUIET_SECONDS = 5.0
"""After so long without a frame there is a heartbeat, so that no proxy takes the connection for a dead one."""

EXAMPLE = """\
event: image_generation.partial_image
data: {"type":"image_generation.partial_image","b64_json":"/9j/4AAQ","partial_image_index":0,"index":0,\
"size":"128x128","output_format":"jpeg","quality":"medium","background":"opaque","created_at":1795512600}

event: image_generation.completed
data: {"type":"image_generation.completed","b64_json":"iVBORw0KGgo=","index":0,"seed":7,"size":"128x128",\
"output_format":"png","quality":"medium","background":"opaque","created_at":1795512601,"usage":null}

"""


class Partials:
    """Which estimates are shown: so many at most, spread evenly over the steps."""

    def __init__(self, wanted: int, num_steps: int) -> None:
        self._wanted = wanted
        self._num_steps = num_steps
        self._shown = 0

    def place_of(self, step: int) -> int | None:
        """Which of the estimates that are shown one of this step is, from 0; None where it is not."""
        due = (self._shown + 1) * self._num_steps
        if self._shown == self._wanted or step * (self._wanted + 1) < due:
            return None
        self._shown += 1
        return self._shown - 1


class Stream(NamedTuple):
    """One client's view of a job."""

    job: Job
    kind: Kind
    quality: Quality | None
    partials: Partials
    resources: Resources
    request_id: str

    async def frames(
        self, events: AsyncGenerator[JobEvent | None], quiet_seconds: float = QUIET_SECONDS
    ) -> AsyncIterator[bytes]:
        """What the client reads: every picture, or why there is none."""
        said_at = time.monotonic()
        async with aclosing(events):
            try:
                async for event in events:
                    frame = await self._frame(event)
                    if frame is not None or time.monotonic() - said_at >= quiet_seconds:
                        yield frame or HEARTBEAT
                        said_at = time.monotonic()
                success(await self.resources.job_store.get(self.job.id), self.resources)
            except Exception as raised:
                refusal = OpenAIRoute.refusal(ours(raised, self.request_id), self.request_id)
                said = OpenAIErrorResponse.of(refusal)
                yield format_sse_event(event="error", data_str=said.model_dump_json())

    async def _frame(self, event: JobEvent | None) -> bytes | None:
        match event:
            case JobEvent(name="preview", data=data):
                return self._estimate(**json.loads(data))
            case JobEvent(name="image", data=data):
                return await self._picture(Artifact.model_validate_json(data))
        return None

    def _estimate(self, *, index: int, step: int, media_type: str, data: str) -> bytes | None:
        """A frame says of its own bytes what they are, which is not always what was asked for."""
        place = self.partials.place_of(step)
        if place is None:
            return None
        size = declared_size(b64decode(data))
        said = {"b64_json": data, "partial_image_index": place, "index": index, "size": f"{size.width}x{size.height}"}
        return self._event("partial_image", media_type, said)

    async def _picture(self, artifact: Artifact) -> bytes:
        content = await self.resources.artifacts.get(artifact.storage_key)
        said = {
            "b64_json": b64encode(content).decode(),
            "index": artifact.index,
            "seed": artifact.seed,
            "size": f"{artifact.width}x{artifact.height}",
            "usage": None,  # Clients' types insist on the name; nothing here is counted in tokens.
        }
        return self._event("completed", artifact.media_type, said)

    def _event(self, name: str, media_type: str, said: dict[str, Any]) -> bytes:
        what = f"{self.kind}.{name}"
        alike = {
            "output_format": media_type.partition("/")[2],
            "quality": self.quality,
            "background": "opaque",
            "created_at": int(time.time()),
        }
        return format_sse_event(event=what, data_str=json.dumps({"type": what} | said | alike))


def stream(job: Job, asked: Drawing, kind: Kind, resources: Resources, request_id: str) -> StreamingResponse:
    """The answer that follows a job to its end. A client that leaves does not end it."""
    events = until(resources.closing, follow(resources.job_store, job.id, FIRST))
    if asked.partial_images:
        events = wishing_previews(resources.job_store, job.id, events)
    partials = Partials(asked.partial_images or 0, job.request.num_steps)
    view = Stream(job, kind, said_quality(asked), partials, resources, request_id)
    headers = {JOB_HEADER: job.id, "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(view.frames(events), media_type="text/event-stream", headers=headers)
