"""What comes of a fine-tune: its events, its sample grids, the files of its result."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from app.dependencies import ResourcesOf
from app.downloads import HEAD_ANSWERS, ConditionsOf, documented_bytes, serve
from app.error_responses import documented
from app.errors import RangeNotSatisfiable
from app.fine_tune_dependencies import ExistingFineTune, FineTunePresenter, FineTunePresenterOf
from app.fine_tune_responses import FILE_NAME, SampleShown
from app.routes.events import after, streamed
from app.waiting import follow, until
from contract.errors import ArtifactStoreUnavailable, InvalidRequest, StoreUnavailable, UnknownArtifact, UnknownJob
from contract.fine_tunes import FineTuneFile, FineTuneSample
from contract.job_events import JobEvent

router = APIRouter(prefix="/v1/fine-tunes", tags=["fine-tunes"])

EXAMPLE = """\
event: progress
data: {"step":50,"total_steps":400,"fraction":0.125,"eta_seconds":120.5,"loss":0.21,"learning_rate":0.001}
id: 1795512600950-0

"""

BYTES = documented(UnknownJob, UnknownArtifact, RangeNotSatisfiable, StoreUnavailable, ArtifactStoreUnavailable)
HEADERS = HEAD_ANSWERS | documented(UnknownJob, UnknownArtifact, StoreUnavailable, ArtifactStoreUnavailable)


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes of a fine-tune, as they are served."""

    id: str
    media_type: str
    size_bytes: int
    sha256: str
    storage_key: str

    @classmethod
    def of(cls, part: FineTuneSample | FineTuneFile, name: str, media_type: str) -> "Stored":
        """A grid, or a file of a result."""
        return cls(name, media_type, part.size_bytes, part.sha256, part.storage_key)


@router.get(
    "/{fine_tune_id}/events",
    response_class=EventSourceResponse,
    response_description="The events `queued`, `started`, `progress`, `sample`, `checkpoint`, and last `succeeded`, "
    "`failed` or `cancelled`. The data of `sample` is a sample as in the fine-tune, that of the last event the whole "
    "fine-tune. One whose worker is lost is `queued` and `started` again, and goes on from its last checkpoint.",
    responses={
        200: {"content": {"text/event-stream": {"example": EXAMPLE}}},
        **documented(InvalidRequest, UnknownJob, StoreUnavailable),
    },
)
async def follow_fine_tune(
    *,
    job: ExistingFineTune,
    resources: ResourcesOf,
    presenter: FineTunePresenterOf,
    after: Annotated[str, Depends(after)],
) -> AsyncIterator[ServerSentEvent]:
    """Follow a fine-tune from its first event, or from `Last-Event-ID` on, to its last one."""
    events = until(resources.closing, follow(resources.fine_tunes, job.id, after))
    told = streamed(events, partial(_shown, job_id=job.id, presenter=presenter))
    async with aclosing(told):
        async for event in told:
            yield event


async def _shown(event: JobEvent, *, job_id: str, presenter: FineTunePresenter) -> ServerSentEvent:
    """One event as clients see it."""
    data = event.data
    if event.name == "sample":
        url = presenter.links.fine_tune(job_id)
        data = SampleShown.told(data, url).model_dump_json()
    elif event.last:
        data = (await presenter.one(await presenter.fine_tunes.get(job_id))).model_dump_json()
    return ServerSentEvent(event=event.name, raw_data=data, id=event.id)


async def existing_sample(
    job: ExistingFineTune, step: Annotated[int, Path(ge=0, description="After how many steps.", examples=[50])]
) -> Stored:
    """The grid that the path names. Raises: UnknownArtifact."""
    for sample in job.samples:
        if sample.step == step:
            return Stored.of(sample, f"{job.id}-{step}.png", "image/png")
    raise UnknownArtifact(f"There is no sample of step {step}.")


async def existing_result_file(
    job: ExistingFineTune, name: Annotated[str, Path(description="The file's name.", examples=[FILE_NAME])]
) -> Stored:
    """The file that the path names. Raises: UnknownArtifact."""
    file = None if job.result is None else job.result.file(name)
    if file is None:
        raise UnknownArtifact(f"There is no file {name!r}.")
    return Stored.of(file, file.name, "application/octet-stream")


@router.head(
    "/{fine_tune_id}/samples/{step}",
    response_class=Response,
    responses=HEADERS,
    summary="Read the headers of a sample grid",
)
@router.get("/{fine_tune_id}/samples/{step}", response_class=Response, responses=documented_bytes("image/png") | BYTES)
async def read_sample(
    sample: Annotated[Stored, Depends(existing_sample)], asked: ConditionsOf, resources: ResourcesOf
) -> Response:
    """Read a sample grid, a PNG with a row for each validation prompt."""
    return await serve(sample, sample.id, asked, resources.artifacts)


@router.head(
    "/{fine_tune_id}/files/{name}",
    response_class=Response,
    responses=HEADERS,
    summary="Read the headers of a file of a result",
)
@router.get(
    "/{fine_tune_id}/files/{name}",
    response_class=Response,
    responses=documented_bytes("application/octet-stream") | BYTES,
)
async def read_result_file(
    file: Annotated[Stored, Depends(existing_result_file)], asked: ConditionsOf, resources: ResourcesOf
) -> Response:
    """Read a file of a result, or a range of its bytes."""
    return await serve(file, file.id, asked, resources.artifacts)
