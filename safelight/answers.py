"""What the service answers, as types: jobs, their pictures, and files."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from safelight.fields import Branch, CompleteRequest, Priority

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
ENDED: tuple[JobStatus, ...] = ("succeeded", "failed", "cancelled")

FileKind = Literal["image", "weights"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is, in denoising steps over all of its images."""

    step: int
    total_steps: int
    fraction: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job asks of a device at most. Quotas are in pixel-steps."""

    pixel_steps: int
    network_rows: int
    gradients: int
    classifier_gradients: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What a checker has found in a picture."""

    checker: str
    flagged: bool
    label: str
    score: float
    blurred: bool


@dataclass(frozen=True, slots=True)
class Image:
    """One finished picture, without its bytes. Units: width and height in pixels."""

    id: str
    index: int
    seed: int
    url: str
    width: int
    height: int
    media_type: str
    size_bytes: int
    sha256: str
    safety: Finding | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed."""

    code: str
    message: str
    retryable: bool
    field: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that was another way when a picture was made first."""

    what: str
    then: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class Replay:
    """How a picture that is made again compares with the file that was sent; None until it is made."""

    of: str
    agrees: bool | None
    pixels_agree: bool | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class TraceFile:
    """One file of a trace, without its bytes."""

    url: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What a run has recorded of itself; `url` is that of the document, which is among the `files` as well."""

    version: Literal[1]
    url: str
    files: Mapping[str, TraceFile]


@dataclass(frozen=True, slots=True)
class JobUrls:
    """What can be done with a job, and where."""

    self: str
    events: str
    cancel: str


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted request and what became of it. `request` has nothing left open: given again, it makes the same."""

    id: str
    kind: Literal["generation"]
    status: JobStatus
    request: CompleteRequest
    progress: Progress
    cost: Cost
    priority: Priority
    queue_position: int | None
    images: tuple[Image, ...]
    warnings: tuple[str, ...]
    error: Failure | None
    replay: Replay | None
    branch_from: Branch | None
    trace: Trace | None
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    urls: JobUrls

    @property
    def ended(self) -> bool:
        """Whether the job has reached a status that it never leaves."""
        return self.status in ENDED

    def as_json(self) -> dict[str, Any]:
        """The job as the service writes it."""
        written: dict[str, Any] = _as_json(asdict(self))
        return written


@dataclass(frozen=True, slots=True)
class Quote:
    """What a job would cost, and when it would end; nothing was accepted."""

    object: Literal["quote"]
    cost: Cost
    priority: Priority
    queue_position: int
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class File:
    """One file that was sent, as it is kept. Units: width and height in pixels; None for weights."""

    id: str
    object: Literal["file"]
    kind: FileKind
    media_type: str
    width: int | None
    height: int | None
    size_bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime


def _as_json(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dict():
            return {name: _as_json(part) for name, part in value.items()}
        case list() | tuple():
            return [_as_json(part) for part in value]
    return value
