"""Jobs: read, listed, cancelled, removed."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from app.dependencies import ExistingJob, JobId, PresenterOf, ResourcesOf
from app.error_responses import documented
from app.paging import PageAsked
from app.responses import JobPage, JobShown
from contract.errors import ArtifactStoreUnavailable, InvalidRequest, JobNotEnded, StoreUnavailable, UnknownJob
from contract.job import JobStatus

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


class Listing(PageAsked):
    """Which jobs to list."""

    status: JobStatus | None = Field(default=None, description="Only jobs in this status.", examples=["queued"])


@router.get("", response_description="One page of jobs.", responses=documented(InvalidRequest, StoreUnavailable))
async def list_jobs(asked: Annotated[Listing, Query()], resources: ResourcesOf, presenter: PresenterOf) -> JobPage:
    """List jobs, newest first; jobs that are admitted meanwhile do not shift the pages."""
    jobs, following = await resources.job_store.page(status=asked.status, limit=asked.limit, cursor=asked.after)
    return JobPage(data=await presenter.jobs(jobs), next_cursor=None if following is None else str(following))


@router.get(
    "/{job_id}", response_description="The job as it is now.", responses=documented(UnknownJob, StoreUnavailable)
)
async def read_job(job: ExistingJob, presenter: PresenterOf) -> JobShown:
    """Read a job."""
    return await presenter.job(job)


@router.post(
    "/{job_id}/cancel",
    response_description="The job after that; a running one ends at its next denoising step.",
    responses=documented(UnknownJob, StoreUnavailable),
)
async def cancel_job(job_id: JobId, resources: ResourcesOf, presenter: PresenterOf) -> JobShown:
    """Ask for the end of a job. One that waits never starts; one that has ended stays as it is."""
    return await presenter.job(await resources.job_store.cancel(job_id))


@router.delete(
    "/{job_id}",
    status_code=204,
    response_description="The job and its pictures are gone.",
    responses=documented(UnknownJob, JobNotEnded, StoreUnavailable, ArtifactStoreUnavailable),
)
async def delete_job(job: ExistingJob, resources: ResourcesOf) -> None:
    """Remove an ended job and its pictures."""
    if not job.ended:
        raise JobNotEnded(f"The job is {job.status}; cancel it first.")
    # The files go first: when that fails, the job is still there to be removed again.
    await resources.artifacts.delete_all(f"{job.id}/")
    await resources.job_store.delete(job.id)
