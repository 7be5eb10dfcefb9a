"""What the service answers, as types: jobs and their pictures, files, and what is on offer."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from safelight.fields import CompleteRequest, GuidanceKind, Scheduler

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
ENDED: tuple[JobStatus, ...] = ("succeeded", "failed", "cancelled")

AdapterKind = Literal["lora", "textual_inversion", "controlnet", "ip_adapter"]
ClassifierKind = Literal["latents", "pixels"]
FileKind = Literal["image", "weights"]
Reproducibility = Literal["exact", "tolerance"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is, in denoising steps over all of its images."""

    step: int
    total_steps: int
    fraction: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job asks of a device at most."""

    network_rows: int
    gradients: int
    classifier_gradients: int


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


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed."""

    code: str
    message: str
    retryable: bool
    field: str | None


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
    queue_position: int | None
    images: tuple[Image, ...]
    warnings: tuple[str, ...]
    error: Failure | None
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


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a request that leaves these open gets."""

    height: int
    width: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: Scheduler


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may ask of a model."""

    size_multiple: int
    min_size: int
    max_size: int
    max_num_inference_steps: int
    max_guidance_scale: float
    max_cost: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """What one worker has measured of one model at one size."""

    model: str
    height: int
    width: int
    device: str
    dtype: str
    text_dtype: str
    vae_dtype: str
    num_threads: int
    layout: str
    compiled: bool
    torch: str
    buckets: tuple[int, ...]
    row_cap: int
    reproducibility: Reproducibility
    tolerance: float | None
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What is said of everything on offer. `created` is in Unix seconds."""

    id: str
    created: int
    owned_by: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Offered):
    """One model on offer."""

    object: Literal["model"]
    family: str
    defaults: Defaults
    limits: Limits
    schedulers: tuple[Scheduler, ...]
    guidance_kinds: tuple[GuidanceKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDetail(Model):
    """One model on offer, and what the workers that are alive say of it."""

    resident_workers: int
    certificates: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(Offered):
    """One adapter on offer."""

    object: Literal["adapter"]
    kind: AdapterKind
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier(Offered):
    """One classifier on offer."""

    object: Literal["classifier"]
    kind: ClassifierKind
    models: tuple[str, ...]
    labels: tuple[str, ...]


def _as_json(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dict():
            return {name: _as_json(part) for name, part in value.items()}
        case list() | tuple():
            return [_as_json(part) for part in value]
    return value
