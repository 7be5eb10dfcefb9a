"""What the jobs of all lines have in common, and what admission answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


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


@dataclass(frozen=True, slots=True)
class Admitted(Generic[RecordT]):
    """The job that a request became; `replayed` when an earlier call with the same idempotency key made it."""

    job: RecordT
    replayed: bool
