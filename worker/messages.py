"""What the parent and the child of one worker say to each other: small frozen types, separated by direction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.architecture import Architecture
from contract.catalogue import ModelSpec
from contract.certificates import ModelCertificate
from contract.costs import Cost
from contract.job import JobFailure
from contract.request import CompleteRequest
from contract.safety import Finding
from contract.traces import FileName, TraceAsked

# ---- parent to child


@dataclass(frozen=True, slots=True)
class Generate:
    """Make the images `indexes` of a request; those not named are stored already.

    `use_cache` says whether pictures that were made before may be given, and these may be given to others. `inputs` has
    the bytes of the files that the request names, by their ids. `tenant` tells tenants apart, and not who they are.
    `trace` is what is to be recorded of the run of its one image. `row` is its model's, where the catalogue has none.
    """

    execution_id: str
    request: CompleteRequest
    indexes: tuple[int, ...]
    use_cache: bool = True
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    tenant: str = ""
    trace: TraceAsked | None = None
    row: ModelSpec | None = None


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop an execution before its next denoising step; nothing is answered."""

    execution_id: str


@dataclass(frozen=True, slots=True)
class SetPreviews:
    """Whether anybody is watching previews of an execution."""

    execution_id: str
    wanted: bool


# ---- child to parent


@dataclass(frozen=True, slots=True)
class Ready:
    """The default model is loaded; work is welcome."""

    model_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progressed:
    """Denoising steps done over all images of each execution that the last tick brought further, by execution id."""

    steps: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Previewed:
    """A small JPEG of the present estimate of one image."""

    execution_id: str
    index: int
    step: int
    jpeg: bytes


class Phase(NamedTuple):
    """A part of the making of an image. Units: seconds of the Unix epoch."""

    name: str
    began_at: float
    ended_at: float


class TracePart(NamedTuple):
    """One file of the trace of a run."""

    name: FileName
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ImageFinished:
    """One image, encoded in the format that the request asked for, when its phases were, what was found in it, and
    the files of its run's trace, the document first.
    """

    execution_id: str
    index: int
    width: int
    height: int
    encoded: bytes
    phases: tuple[Phase, ...] = ()
    finding: Finding | None = None
    trace: tuple[TracePart, ...] = ()


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about the execution that the client should know."""

    execution_id: str
    warning: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Every image of the execution has been sent."""

    execution_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The execution ended without its images."""

    execution_id: str
    failure: JobFailure


@dataclass(frozen=True, slots=True)
class Worked:
    """What the engine did since the last such message: denoising steps, forwards, and rows in those forwards."""

    num_steps: int
    num_forwards: int
    num_rows: int


@dataclass(frozen=True, slots=True)
class Resident:
    """The models that are in memory now, all of them."""

    model_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """What the child has measured of its costs; what it has said of other models and sizes still holds."""

    costs: tuple[Cost, ...]


@dataclass(frozen=True, slots=True)
class Certified:
    """What the child has proven of its models, all of it."""

    certificates: tuple[ModelCertificate, ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a model is made of that has just been loaded."""

    architecture: Architecture


ToChild = Generate | Abort | SetPreviews
OfWorker = Worked | Resident | Measured | Certified | Drawn
ToParent = Ready | Progressed | Previewed | ImageFinished | Warned | Finished | Failed | OfWorker
