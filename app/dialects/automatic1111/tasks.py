"""Which jobs a request of this dialect became, and which of them a caller means who names none.

A request is one job, or with hires fix a first one and then one more for each of its pictures. Its task is named by the
first job's id, and by a name that the client gave it.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from app.dialects.automatic1111.asking import DIALECT
from app.dialects.automatic1111.text_to_image import FIRST_PASS
from app.resources import Resources
from contract.errors import UnknownJob
from contract.job import Job, JobStatus

NEWEST = 100
"""How many of a caller's newest jobs in a status are looked at for one of this dialect."""

Ending = Literal["interrupted", "skipped"]


class Passes(BaseModel):
    """What is kept of a task with a second pass: its jobs as far as there are any, and how many there will be."""

    job_ids: tuple[str, ...]
    num_jobs: int


class Task(BaseModel):
    """A task as it is now: its jobs in order, and how many there will be."""

    id: str
    jobs: tuple[Job, ...]
    num_jobs: int
    ending: Ending | None = None

    @property
    def kind(self) -> str:
        """What was asked for: txt2img or img2img."""
        return self.jobs[0].request.metadata.get(DIALECT, "")

    @property
    def current(self) -> Job:
        """The job that it is at."""
        return next((job for job in self.jobs if not job.ended), self.jobs[-1])

    @property
    def num_ended(self) -> int:
        """Jobs that have ended."""
        return sum(job.ended for job in self.jobs)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        lost = any(job.status in ("failed", "cancelled") for job in self.jobs)
        return self.num_ended == len(self.jobs) and (lost or len(self.jobs) == self.num_jobs)


async def name(task_id: str, job: Job, resources: Resources) -> None:
    """Gives a task a name; an older one of this name has none from then on."""
    await resources.notes.put(f"{DIALECT}:task:{task_id}", job.id)


async def record(first: Job, further: Sequence[Job], num_jobs: int, resources: Resources) -> None:
    """Says which jobs belong to one task."""
    passes = Passes(job_ids=(first.id, *(job.id for job in further)), num_jobs=num_jobs)
    await resources.notes.put(f"{DIALECT}:passes:{first.id}", passes.model_dump_json())


async def find(task_id: str, resources: Resources) -> Task:
    """The task of this name, or with this first job. Raises: UnknownJob."""
    first_id = await resources.notes.get(f"{DIALECT}:task:{task_id}") or task_id
    try:
        return await _task(first_id, resources)
    except UnknownJob as error:
        raise UnknownJob(f"There is no task {task_id[:100]!r}.", field="id_task") from error


async def current(resources: Resources) -> Task | None:
    """The caller's newest task that runs, else the newest one that waits; of this dialect."""
    statuses: tuple[JobStatus, ...] = ("running", "queued")
    for status in statuses:
        jobs, _ = await resources.job_store.page(status=status, limit=NEWEST)
        for job in jobs:
            if DIALECT in job.request.metadata:
                return await _task(job.request.metadata.get(FIRST_PASS, job.id), resources)
    return None


async def end(task: Task, how: Ending, resources: Resources) -> None:
    """Cancels what of a task has not ended, and what would come yet."""
    await resources.notes.put(f"{DIALECT}:ending:{task.id}", how)
    for job in (await _task(task.id, resources)).jobs:
        await resources.job_store.cancel(job.id)


async def is_ending(first: Job, resources: Resources) -> bool:
    """Whether somebody has asked for the end of this job's task."""
    return await resources.notes.get(f"{DIALECT}:ending:{first.id}") is not None


async def _task(first_id: str, resources: Resources) -> Task:
    """Raises: UnknownJob."""
    said = await resources.notes.get(f"{DIALECT}:passes:{first_id}")
    passes = Passes(job_ids=(first_id,), num_jobs=1) if said is None else Passes.model_validate_json(said)
    ending = await resources.notes.get(f"{DIALECT}:ending:{first_id}")
    return Task(
        id=first_id,
        jobs=tuple([await resources.job_store.get(job_id) for job_id in passes.job_ids]),
        num_jobs=passes.num_jobs,
        ending=ending,
    )
