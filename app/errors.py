"""How errors become answers: the errors that only HTTP has, and the one table from error class to status."""

from collections.abc import Iterable
from typing import NamedTuple

from contract import errors
from contract.errors import InvalidRequest, QuotaExceeded, SafelightError


class MalformedJSON(InvalidRequest):
    """The body is not JSON, or is JSON that readers disagree about."""

    code = "malformed_json"


class MalformedMultipart(InvalidRequest):
    """The body cannot be read as multipart/form-data."""

    code = "malformed_multipart"


class UnsupportedMediaType(SafelightError):
    """The body is said to be something else than what this operation takes."""

    code = "unsupported_media_type"


class BodyTooLarge(SafelightError):
    """The body has more bytes than the operator allows."""

    code = "body_too_large"


class UnknownPath(SafelightError):
    """Nothing is served under this path."""

    code = "unknown_path"


class MethodNotAllowed(SafelightError):
    """The path exists, and not with this method."""

    code = "method_not_allowed"

    def __init__(self, message: str, *, allowed: Iterable[str]) -> None:
        super().__init__(message)
        self.allowed = ", ".join(sorted(allowed))


class RangeNotSatisfiable(SafelightError):
    """The range begins behind the last byte."""

    code = "range_not_satisfiable"

    def __init__(self, message: str, *, size_bytes: int) -> None:
        super().__init__(message, field="Range")
        self.size_bytes = size_bytes


class NoWorker(SafelightError):
    """No worker is alive, so jobs are accepted and wait."""

    code = "no_worker"
    retryable = True


class Unauthenticated(SafelightError):
    """There is no API key with the request, or one that opens nothing."""

    code = "unauthenticated"


class Forbidden(SafelightError):
    """The API key is not for this."""

    code = "forbidden"


class JobCancelled(SafelightError):
    """The job was cancelled while this call waited for its pictures."""

    code = "job_cancelled"


class UnknownSampler(SafelightError):
    """No sampler has this name."""

    code = "unknown_sampler"


class NotOffered(SafelightError):
    """Clients of this kind know such an operation, and this service has nothing to do it with."""

    code = "not_offered"


class Answer(NamedTuple):
    """How an error is answered. A `message` given here replaces the error's own, which then is for the log only."""

    status: int
    retry_after_seconds: int | None = None
    message: str | None = None


INTERNAL = Answer(500, message="Something went wrong here; the log has the details under this request id.")

ANSWERS: dict[type[SafelightError], Answer] = {
    SafelightError: INTERNAL,
    errors.InvalidRequest: Answer(422),
    errors.UnknownModel: Answer(404),
    errors.UnsupportedScheduler: Answer(422),
    errors.UnsupportedGuidance: Answer(422),
    errors.GuidanceConflict: Answer(422),
    errors.UnknownClassifier: Answer(404),
    errors.UnknownLabel: Answer(422),
    errors.UnsupportedClassifier: Answer(422),
    errors.LimitExceeded: Answer(422),
    errors.InvalidMask: Answer(422),
    errors.UnsupportedEdit: Answer(422),
    errors.UnsupportedTrace: Answer(422),
    errors.MalformedPrompt: Answer(422),
    errors.UnsupportedPromptSyntax: Answer(422),
    errors.UnmeasuredModel: Answer(404),
    errors.UnsupportedIntervention: Answer(422),
    errors.BranchConflict: Answer(422),
    errors.UnsupportedModel: Answer(422),
    errors.UnknownAdapter: Answer(404),
    errors.AdapterMismatch: Answer(422),
    errors.UnknownJob: Answer(404),
    errors.UnknownArtifact: Answer(404),
    errors.UnknownFile: Answer(404),
    errors.UnknownDelivery: Answer(404),
    errors.FileInUse: Answer(409),
    errors.UnknownDataset: Answer(404),
    errors.DatasetInUse: Answer(409),
    errors.EmptyDataset: Answer(422),
    errors.UnsupportedFile: Answer(422),
    errors.DamagedFile: Answer(422),
    errors.PromptRefused: Answer(422),
    errors.PictureRefused: Answer(422),
    errors.UnprovenReceipt: Answer(422),
    errors.UnknownKey: Answer(404),
    errors.KeyEnded: Answer(409),
    errors.JobNotEnded: Answer(409),
    errors.IdempotencyConflict: Answer(409),
    errors.QueueFull: Answer(429, retry_after_seconds=10),
    errors.QuotaExceeded: Answer(429),
    errors.QuotaTooSmall: Answer(422),
    errors.StoreUnavailable: Answer(503, 2, "The job store cannot be reached; try again."),
    errors.ArtifactStoreUnavailable: Answer(503, 5, "The artifact store cannot be reached, or is full; try again."),
    errors.IllegalTransition: Answer(409),
    errors.CatalogueInvalid: INTERNAL,
    errors.ModelUnavailable: Answer(503),
    errors.NonFiniteLatents: INTERNAL,
    errors.TrainingDiverged: INTERNAL,
    errors.GenerationFailed: INTERNAL,
    errors.TrainingFailed: INTERNAL,
    errors.OutOfMemory: INTERNAL,
    errors.GenerationStalled: INTERNAL,
    errors.WorkerDied: INTERNAL,
    MalformedJSON: Answer(400),
    MalformedMultipart: Answer(400),
    UnsupportedMediaType: Answer(415),
    BodyTooLarge: Answer(413),
    UnknownPath: Answer(404),
    MethodNotAllowed: Answer(405),
    RangeNotSatisfiable: Answer(416),
    NoWorker: Answer(503, retry_after_seconds=5),
    JobCancelled: Answer(409),
    Unauthenticated: Answer(401),
    Forbidden: Answer(403),
    UnknownSampler: Answer(404),
    NotOffered: Answer(404),
}


def headers_of(error: SafelightError) -> dict[str, str]:
    """The headers that an error's answer has beyond those of every answer."""
    headers = {}
    if (seconds := ANSWERS[type(error)].retry_after_seconds) is not None:
        headers["Retry-After"] = str(seconds)
    if isinstance(error, QuotaExceeded):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allowed
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="Safelight"'
    if isinstance(error, RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.size_bytes}"
    return headers
