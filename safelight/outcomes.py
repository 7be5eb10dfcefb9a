"""From what the service says went wrong to an error of its class."""

from collections.abc import Mapping
from types import MappingProxyType

from safelight import refusals
from safelight.answers import Job
from safelight.errors import ServiceError

REFUSALS: Mapping[str, type[ServiceError]] = MappingProxyType(
    {kind.code: kind for kind in ServiceError.__subclasses__()}
)


def kind_of(code: str) -> type[ServiceError]:
    """The class of a code; ServiceError itself for one that is newer than this client."""
    return REFUSALS.get(code, ServiceError)


def success(job: Job) -> Job:
    """An ended job, if it has succeeded. Raises: JobCancelled; the error that it failed with."""
    if (error := job.error) is not None:
        kind = kind_of(error.code)
        raise kind(error.message, code=error.code, field=error.field, retryable=error.retryable, job=job)
    if job.status == "cancelled":
        raise refusals.JobCancelled(f"The job {job.id} was cancelled.", job=job)
    return job
