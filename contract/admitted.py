"""What the jobs of all lines have in common, and what admission answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from contract.errors import IdempotencyConflict, QueueFull, UnknownDataset, UnknownFile


class Record(Protocol):
    """What is known of the job of any line."""

    @property
    def id(self) -> str: ...
    @property
    def ended(self) -> bool: ...


class Complete(Protocol):
    """What is known of the complete request of any line."""

    @property
    def model(self) -> str: ...
    @property
    def total_steps(self) -> int: ...
    def references(self) -> Mapping[str, str]:
        """The files that it names, by the dotted path of the field."""

    def model_dump_json(self, *, exclude_none: bool) -> str: ...


class DatasetChanged(Exception):
    """The data set was edited since it was read: read it again, and admit again."""


RecordT = TypeVar("RecordT", bound=Record)
CompleteT = TypeVar("CompleteT", bound=Complete)


@dataclass(frozen=True)
class Admitted(Generic[RecordT]):
    """The job that a request became; `replayed` when an earlier call with the same idempotency key made it."""

    job: RecordT
    replayed: bool


def refusal(answer: str, found_id: str, references: Mapping[str, str], max_queued: int) -> Exception | None:
    """Why a job is not admitted, where that is none of its quota's doing."""
    match answer:
        case "conflict":
            return other_body()
        case "full":
            return QueueFull(f"{max_queued} jobs are waiting; try again later.")
        case "unknown_file":
            field = next(field for field, file_id in references.items() if file_id == found_id)
            return UnknownFile(f"There is no file {found_id!r}.", field=field)
        case "unknown_dataset":
            return UnknownDataset(f"There is no data set {found_id!r}.", field="dataset")
        case "changed_dataset":
            return DatasetChanged()
    return None


def other_body() -> IdempotencyConflict:
    """Why a key does not admit this request."""
    return IdempotencyConflict("This Idempotency-Key came with another body before.", field="Idempotency-Key")
