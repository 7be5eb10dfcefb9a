"""What clients wait for that know no jobs: the end of one, as pictures or as an error."""

from starlette.requests import ClientDisconnect, Request

from app.errors import ANSWERS, JobCancelled
from app.followers import OnDisconnect, until_ended
from app.resources import Resources
from contract.errors import GenerationFailed, SafelightError, StoreUnavailable
from contract.job import Job, JobFailure


async def succeeded(job: Job, request: Request, resources: Resources, on_disconnect: OnDisconnect = "keep") -> Job:
    """The job when it has succeeded, however long that takes.

    Raises: JobCancelled, StoreUnavailable, ClientDisconnect, and whatever the job failed with.
    """
    if not job.ended:
        await until_ended(job, request, resources, on_disconnect)
        job = await resources.job_store.get(job.id)
    return success(job, resources)


def success(job: Job, resources: Resources) -> Job:
    """The job when it has succeeded. Raises: as `succeeded`."""
    match job.status:
        case "succeeded":
            return job
        case "cancelled":
            raise JobCancelled(f"The job {job.id} was cancelled.")
        case "failed" if job.error is not None:
            raise error_of(job.error)
    if resources.closing.is_set():
        raise StoreUnavailable("This process is about to end.")
    raise ClientDisconnect


async def pictures(job: Job, resources: Resources) -> list[bytes]:
    """The files of a job's pictures, in order. Raises: UnknownArtifact, StoreUnavailable."""
    return [bytes(await resources.artifacts.get(artifact.storage_key)) for artifact in job.images]


def error_of(failure: JobFailure) -> SafelightError:
    """The error that a job failed with, as the process that met it had raised it."""
    kinds = {kind.code: kind for kind in ANSWERS}
    kind = kinds.get(failure.code, GenerationFailed)
    return kind(failure.message, field=failure.field)
