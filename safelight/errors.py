"""What can go wrong in a call: in this client, on the way, or in the words of the service."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from safelight.answers import Job


class SafelightError(Exception):
    """Whatever goes wrong. `code` does not change; `field` names the part of the request that is to blame, if one is.

    `num_tries` is how often the call was made.
    """

    code: str = "safelight_error"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.num_tries = 1


class ConnectionFailed(SafelightError):
    """Nobody answered, however often it was tried."""

    code = "connection_failed"


class UnexpectedAnswer(SafelightError):
    """What answered is no Safelight, or one of another version."""

    code = "unexpected_answer"


class WaitTimedOut(SafelightError):
    """The job has not ended in the time that there was. Unless `on_disconnect` ends it, it can be waited for again."""

    code = "wait_timed_out"

    def __init__(self, message: str, *, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class UnreadableFile(SafelightError):
    """What a field names is no file that can be read here, so nothing was sent."""

    code = "unreadable_file"


class ServiceError(SafelightError):
    """The service said no, or the job failed, which then is `job`. Each code is a class in `refusals` or `failures`.

    `status` is HTTP's, None for a job.
    """

    code = "service_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        retry_after_seconds: float | None = None,
        job: "Job | None" = None,
    ) -> None:
        super().__init__(message, field=field)
        self.code = code or self.code
        self.status = status
        self.request_id = request_id
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds
        self.job = job
