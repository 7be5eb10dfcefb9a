"""What the engine says of an image; everybody who asked for the same picture hears it under an id of their own."""

from dataclasses import dataclass

from contract.errors import SafelightError
from worker.images import Pixels


@dataclass(frozen=True, slots=True)
class Progressed:
    """A denoising step is complete; `step` counts from 1."""

    generation_id: str
    step: int


@dataclass(frozen=True, eq=False, slots=True)
class Previewed:
    """What the picture would be if it ended at this step. Shapes: pixels (height, width, 3), uint8."""

    generation_id: str
    step: int
    pixels: Pixels


@dataclass(frozen=True, eq=False, slots=True)
class Finished:
    """The picture is there, and the engine has forgotten it. Shapes: pixels (height, width, 3), uint8."""

    generation_id: str
    pixels: Pixels


@dataclass(frozen=True, eq=False, slots=True)
class Failed:
    """There will be no picture, and the engine has forgotten it."""

    generation_id: str
    error: SafelightError


Event = Progressed | Previewed | Finished | Failed
