"""How far a request is, and its end before its time: of the one that is named, else of the one that is meant."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.dependencies import PresenterOf, ResourcesOf
from app.dialects.automatic1111 import tasks
from app.dialects.automatic1111.route import Automatic1111Route
from app.dialects.automatic1111.tasks import Ending, Task
from app.resources import Resources
from contract.errors import InvalidRequest, StoreUnavailable, UnknownJob
from contract.job import Job

router = APIRouter(
    tags=["automatic1111"],
    route_class=Automatic1111Route,
    responses=Automatic1111Route.documented(InvalidRequest, UnknownJob, StoreUnavailable),
)

MEANT = "without it, the newest request of this caller that runs, else the newest that waits, is meant"

TaskName = Annotated[
    str | None,
    Query(description=f"The `force_task_id` of a request, or the id of its job; {MEANT}.", examples=["task(0f3a)"]),
]


class State(BaseModel):
    """Where a request is."""

    skipped: bool = Field(default=False, description="Whether `skip` has ended it.", examples=[False])
    interrupted: bool = Field(default=False, description="Whether `interrupt` has ended it.", examples=[False])
    stopping_generation: bool = Field(default=False, description="Whether it is about to end.", examples=[False])
    job: str = Field(default="", description="What was asked for; empty where nothing is.", examples=["txt2img"])
    job_count: int = Field(default=0, description="Jobs that it is made in; 0 once it has ended.", examples=[1])
    job_timestamp: str = Field(default="0", description="When it was accepted.", examples=["20261124093000"])
    job_no: int = Field(default=0, description="Jobs that have ended.", examples=[0])
    sampling_step: int = Field(default=0, description="Steps done of the present job.", examples=[5])
    sampling_steps: int = Field(default=0, description="Steps to do of it, of all its pictures.", examples=[20])

    @classmethod
    def of(cls, task: Task) -> "State":
        """Where a task is."""
        job = task.current
        return cls(
            skipped=task.ending == "skipped",
            interrupted=task.ending == "interrupted",
            stopping_generation=job.cancel_requested and not job.ended,
            job=task.kind,
            job_count=0 if task.ended else task.num_jobs,
            job_timestamp=task.jobs[0].created_at.strftime("%Y%m%d%H%M%S"),
            job_no=task.num_ended,
            sampling_step=job.progress.step,
            sampling_steps=job.progress.total_steps,
        )


class Progress(BaseModel):
    """How far a request is; all zeros where there is none."""

    progress: float = Field(default=0.0, description="From 0 to 1.", examples=[0.25])
    eta_relative: float = Field(
        default=0.0, description="Seconds to the end of the present job; 0 where nobody can know.", examples=[1.5]
    )
    state: State = Field(
        default_factory=State, description="Where it is.", examples=[{"job": "txt2img", "job_count": 1}]
    )
    current_image: str | None = Field(
        default=None, description="The latest estimate of a picture, a JPEG in base64.", examples=[None]
    )
    textinfo: str | None = Field(default=None, description="How it stands, in words.", examples=["running"])
    current_task: str | None = Field(
        default=None, description="The id of its first job.", examples=["job_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"]
    )


@router.get("/sdapi/v1/progress", response_description="How far it is.")
async def read_progress(
    resources: ResourcesOf,
    presenter: PresenterOf,
    id_task: TaskName = None,
    skip_current_image: Annotated[
        bool, Query(description="Whether to leave `current_image` out.", examples=[True])
    ] = False,
) -> Progress:
    """Read how far a request is. Estimates of pictures are there some seconds after they were first asked for."""
    task = await _meant(id_task, resources)
    if task is None:
        return Progress()
    shown = (await presenter.job(task.current)).progress
    preview = None if skip_current_image else await _preview(task.current, resources)
    return Progress(
        progress=_fraction(task),
        eta_relative=0.0 if task.ended else shown.eta_seconds or 0.0,
        state=State.of(task),
        current_image=None if preview is None else preview["data"],
        textinfo=_in_words(task),
        current_task=task.id,
    )


@router.post("/sdapi/v1/interrupt", response_description="Nothing.")
async def interrupt(resources: ResourcesOf, id_task: TaskName = None) -> dict[str, Any]:
    """End a request at its next denoising step. Pictures of it that are finished are answered."""
    await _end(id_task, "interrupted", resources)
    return {}


@router.post("/sdapi/v1/skip", response_description="Nothing.")
async def skip(resources: ResourcesOf, id_task: TaskName = None) -> None:
    """End a request, as `interrupt` does: its pictures are made side by side, so there is none to go on with."""
    await _end(id_task, "skipped", resources)


async def _meant(id_task: str | None, resources: Resources) -> Task | None:
    return await (tasks.current(resources) if id_task is None else tasks.find(id_task, resources))


async def _end(id_task: str | None, how: Ending, resources: Resources) -> None:
    task = await _meant(id_task, resources)
    if task is not None and not task.ended:
        await tasks.end(task, how, resources)


async def _preview(job: Job, resources: Resources) -> dict[str, Any] | None:
    """The latest estimate of a running job, and a wish for the next one."""
    if job.status != "running":
        return None
    await resources.job_store.wish_previews(job.id)
    event = await resources.job_store.latest_preview(job.id)
    return None if event is None else json.loads(event.data)


def _fraction(task: Task) -> float:
    if task.ended:
        return 1.0
    present = 0.0 if task.current.ended else task.current.progress.fraction
    return round((task.num_ended + present) / task.num_jobs, 4)


def _in_words(task: Task) -> str:
    """How a task stands; why it failed, where it did."""
    job = task.current
    return job.status if job.error is None else f"{job.status}: {job.error.message}"
