"""From what the service says went wrong to an error of its class."""

from collections.abc import Mapping
from types import MappingProxyType

from safelight import failures, refusals
from safelight.answers import Job
from safelight.errors import ServiceError

CODES: Mapping[str, type[ServiceError]] = MappingProxyType(
    {
        kind.code: kind
        for said in (failures, refusals)
        for kind in vars(said).values()
        if isinstance(kind, type) and issubclass(kind, ServiceError) and kind is not ServiceError
    }
)


def kind_of(code: str) -> type[ServiceError]:
    """The class of a code; ServiceError itself for one that is newer than this client."""
    return CODES.get(code, ServiceError)


def success(job: Job) -> Job:
    """An ended job, if it has succeeded. Raises: JobCancelled; the error that it failed with."""
    if (error := job.error) is not None:
        kind = kind_of(error.code)
        raise kind(error.message, code=error.code, field=error.field, retryable=error.retryable, job=job)
    if job.status == "cancelled":
        raise failures.JobCancelled(f"The job {job.id} was cancelled.", job=job)
    return job
