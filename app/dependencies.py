"""What routes ask FastAPI for: the process's resources, the job that a path names, and how to show jobs.

Resources are the caller's: whoever takes them from here meets nothing that belongs to another tenant.

All of it is `async`, because FastAPI takes whatever is not to another thread and back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Path
from starlette.requests import Request

from app.auth import caller
from app.callers import Caller
from app.links import Links
from app.resources import Resources
from app.responses import JOB_ID, ImageShown, JobShown
from contract.artifact import Artifact
from contract.costs import Costs
from contract.job import Job
from contract.job_store import JobStore
from contract.origin import Origin


async def resources(request: Request, caller: Annotated[Caller, Depends(caller)]) -> Resources:
    """What the lifespan opened, as far as the caller may see it."""
    opened: Resources = request.state.resources
    return opened.of(caller, Origin(request.state.request_id))


ResourcesOf = Annotated[Resources, Depends(resources)]


async def links(request: Request, resources: ResourcesOf) -> Links:
    """Addresses as this client sees them; signed, where reading them wants a key."""
    signer = await resources.doorkeeper.signer(resources.caller)
    return Links(str(request.base_url).rstrip("/"), signer)


LinksOf = Annotated[Links, Depends(links)]


@dataclass(frozen=True, slots=True)
class Presenter:
    """Jobs as one client is shown them."""

    job_store: JobStore
    costs: Costs
    links: Links

    async def job(self, job: Job) -> JobShown:
        """The job as it is now."""
        return (await self.jobs([job]))[0]

    async def jobs(self, jobs: Sequence[Job]) -> list[JobShown]:
        """Jobs as they are now, with one more question to the store if any of them has not ended."""
        if all(job.ended for job in jobs):
            return [JobShown.of(job, None, job.progress.eta_seconds, self.links) for job in jobs]
        outlook = await self.job_store.outlook(job.id for job in jobs if job.status == "queued")
        costs = await self.costs.read()
        return [
            JobShown.of(job, outlook.position(job), outlook.eta_seconds(job, costs.forecast(job.request)), self.links)
            for job in jobs
        ]

    def admitted(self, job: Job) -> JobShown:
        """The job as it was when it was admitted, however long ago that is."""
        return JobShown.of(job.as_admitted(), job.admitted_position, job.admitted_eta_seconds, self.links)

    def image(self, data: str) -> ImageShown:
        """The image in an `image` event."""
        return ImageShown.of(Artifact.model_validate_json(data), self.links)


async def presenter(resources: ResourcesOf, links: LinksOf) -> Presenter:
    """Shows jobs to this client."""
    return Presenter(resources.job_store, resources.costs, links)


PresenterOf = Annotated[Presenter, Depends(presenter)]

JobId = Annotated[str, Path(description="The job's id.", examples=[JOB_ID])]


async def existing_job(job_id: JobId, resources: ResourcesOf) -> Job:
    """The job that the path names. Raises: UnknownJob."""
    return await resources.job_store.get(job_id)


ExistingJob = Annotated[Job, Depends(existing_job)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key and body give the same job for 24 hours, however often they are sent.",
        examples=["order-42"],
    ),
]
