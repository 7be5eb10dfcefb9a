"""Fine-tunes: what can be taught and how, what the service answers, and what happens on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, Required, TypedDict

from safelight.answers import ENDED, Failure, JobStatus, JobUrls, Progress
from safelight.event_stream import Message
from safelight.events import Event, Kinds, Progressed, Queued, Started
from safelight.fields import Priority, Webhook
from safelight.reading import read

Method = Literal["lora", "textual_inversion", "dreambooth", "full", "image_conditional"]
Task = Literal["depth", "normals", "edges", "segmentation"]
Objective = Literal["end_to_end", "diffusion"]
Layout = Literal["diffusers", "kohya", "embedding", "model"]


class PriorPreservation(TypedDict, total=False):
    """Pictures of the class that the model goes on making as it did."""

    weight: float
    class_prompt: Required[str]
    num_pictures: int


class _Common(TypedDict, total=False):
    """What both an open and a complete request may say."""

    trigger: str | None
    rank: int
    train_text_encoder: bool
    num_vectors: int
    batch_size: int
    caption_dropout: float
    validation_prompts: Sequence[str]
    prior_preservation: PriorPreservation | None
    task: Task | None
    objective: Objective
    metadata: Mapping[str, str]


class FineTuneRequest(_Common, total=False):
    """What is taught. What is left out, or None, is the method's or the model's default."""

    dataset: Required[str]
    method: Required[Method]
    model: str | None
    steps: int | Literal["auto"]
    learning_rate: float | None
    resolution: int | None
    seed: int | None
    sample_every: int | None
    checkpoint_every: int | None


class Teaching(FineTuneRequest, total=False):
    """What can be asked, and what is to be done about the job."""

    priority: Priority | None
    webhook: Webhook | None
    retention_seconds: int | None
    expires_at: datetime | None


class CompleteFineTune(_Common):
    """A request with nothing left open: `teach(**fine_tune.request)` teaches the same again."""

    dataset: str
    method: Method
    model: str
    steps: int
    learning_rate: float
    resolution: int
    seed: int
    sample_every: int
    checkpoint_every: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One grid of samples, without its bytes: a row for each prompt, with the same seeds in every grid."""

    step: int
    url: str
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """From where an interrupted run goes on."""

    step: int


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file of a result, without its bytes."""

    name: str
    url: str
    size_bytes: int
    sha256: str
    layout: Layout


@dataclass(frozen=True, slots=True)
class Nearest:
    """How near a sample comes to a picture that was taught, and how near that picture's own copies come."""

    prompt: str
    seed: int
    distance: float
    among_training: float


@dataclass(frozen=True, slots=True)
class Card:
    """What is to be known of a result: what it was made from and how, and how it was found to be."""

    dataset_digest: str
    num_pictures: int
    recipe: FineTuneRequest
    losses: tuple[tuple[int, float], ...]
    held_out: Literal["pictures", "noise"]
    held_out_loss_before: float | None
    held_out_loss_after: float | None
    drift: float | None
    nearest_training_distance: tuple[Nearest, ...]
    memorised: float | None
    measures: Mapping[str, float]
    seconds: float
    safelight_version: str


@dataclass(frozen=True, slots=True)
class Result:
    """What was learnt. `adapter_id` goes into `adapters`, `model_id` into `model`."""

    adapter_id: str | None
    model_id: str | None
    file_id: str | None
    files: tuple[ResultFile, ...]
    card: Card | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTune:
    """One accepted request to teach a model, and what became of it."""

    id: str
    object: Literal["fine_tune"]
    status: JobStatus
    request: CompleteFineTune
    progress: Progress
    loss: float | None
    learning_rate: float | None
    pixel_steps: int
    priority: Priority
    queue_position: int | None
    samples: tuple[Sample, ...]
    checkpoints: tuple[Checkpoint, ...]
    result: Result | None
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
        """Whether nothing about it changes any more."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class TeachingCost:
    """What teaching asks of a device; None of seconds that nobody has measured."""

    pixel_steps: int
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachingQuote:
    """What a fine-tune would cost; none is made."""

    object: Literal["quote"]
    request: CompleteFineTune
    cost: TeachingCost
    warnings: tuple[str, ...]
    priority: Priority
    queue_position: int
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class Stepped(Progressed):
    """The fine-tune is farther on."""

    loss: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Sampled(Event):
    """A grid of samples is there."""

    sample: Sample


@dataclass(frozen=True, slots=True)
class Kept(Event):
    """A checkpoint is kept."""

    step: int


@dataclass(frozen=True, slots=True)
class TeachingEnded(Event):
    """The last event: the fine-tune has succeeded, failed, or was cancelled."""

    fine_tune: FineTune


def _stepped(message: Message, data: dict[str, Any]) -> Stepped:
    return Stepped(message.id, message.name, read(Progress, data), data["loss"], data["learning_rate"])


def _ended(message: Message, data: dict[str, Any]) -> TeachingEnded:
    return TeachingEnded(message.id, message.name, read(FineTune, data))


TEACHING_KINDS: Kinds = MappingProxyType(
    {
        "queued": lambda message, data: Queued(message.id, message.name),
        "started": lambda message, data: Started(message.id, message.name, data["attempt"]),
        "progress": _stepped,
        "sample": lambda message, data: Sampled(message.id, message.name, read(Sample, data)),
        "checkpoint": lambda message, data: Kept(message.id, message.name, data["step"]),
        **dict.fromkeys(ENDED, _ended),
    }
)
