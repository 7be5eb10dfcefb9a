"""What the parent and the child of one fine-tune say to each other, separated by direction. It imports no torch."""

from dataclasses import dataclass
from pathlib import Path

from contract.fine_tuning import Card, CompleteFineTune, Layout
from contract.job import JobFailure

# ---- parent to child, once


@dataclass(frozen=True, slots=True)
class Lesson:
    """One picture of the dataset, as PNG, what it is taught under, and the map that belongs to it, as PNG."""

    picture: bytes
    caption: str
    target: bytes | None = None


@dataclass(frozen=True, slots=True)
class Teach:
    """Teach the model of a request. Files are written into `folder`; `checkpoint` is where an earlier run got to.

    `lessons` are those of `request.pictures`, in their order, with their captions as `request.caption_of` has them.
    Unless it is to `go_on`, nothing more is taught: only what the checkpoint gives is wanted.
    """

    request: CompleteFineTune
    lessons: tuple[Lesson, ...]
    folder: Path
    checkpoint: Path | None = None
    go_on: bool = True


# ---- child to parent


@dataclass(frozen=True, slots=True)
class Stepped:
    """So many steps are done; the loss is that of the last one, smoothed."""

    step: int
    loss: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Sampled:
    """One PNG with a row for each prompt."""

    step: int
    grid: bytes
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """All that a run needs to go on from here, in one file that is whole: written beside, then renamed."""

    step: int
    path: Path


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that the client should know."""

    warning: str


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file of the result; the first that is an adapter is the one that `adapters` names."""

    name: str
    path: Path
    layout: Layout


@dataclass(frozen=True, slots=True)
class Taught:
    """The end: what was learnt."""

    files: tuple[ResultFile, ...]
    card: Card


@dataclass(frozen=True, slots=True)
class Concluded:
    """The end of an order that is not to go on: what its checkpoint gives."""

    files: tuple[ResultFile, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The end: why nothing more is learnt, and what the last good checkpoint gives."""

    failure: JobFailure
    files: tuple[ResultFile, ...] = ()


ToParent = Stepped | Sampled | Checkpointed | Warned | Taught | Concluded | Failed
