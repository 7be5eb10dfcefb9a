"""What the engine says of an image; everybody who asked for the same picture hears it under an id of their own."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from contract.errors import GenerationFailed, OutOfMemory, SafelightError
from worker.certificate import Certificate
from worker.devices import DeviceLost, is_out_of_memory
from worker.digests import NOTHING, Ingredients
from worker.images import Pixels
from worker.recording import Recording

logger = logging.getLogger(__name__)


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


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Picture:
    """A picture, and how far it can be made again; None where nothing was certified.

    `ingredients` are the digests of the files that it was made from; `recording` is what was recorded of its run.
    Shapes: pixels (height, width, 3), uint8.
    """

    pixels: Pixels
    certificate: Certificate | None = None
    ingredients: Ingredients = NOTHING
    recording: Recording | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Finished:
    """The picture is there, and the engine has forgotten it."""

    generation_id: str
    picture: Picture


@dataclass(frozen=True, eq=False, slots=True)
class Failed:
    """There will be no picture, and the engine has forgotten it."""

    generation_id: str
    error: SafelightError


Event = Progressed | Previewed | Finished | Failed


def failure_of(generation_ids: Sequence[str], error: Exception) -> SafelightError:
    """What a client is told of an error; what is not ours goes to the log, and its kind to the client.

    Raises: DeviceLost, when it is no fault of one image.
    """
    if isinstance(error, SafelightError):
        return error
    execution = {"execution_id": generation_ids[0].partition(":")[0]}
    logger.error("generation %s failed", ", ".join(generation_ids), exc_info=error, extra=execution)
    if isinstance(error, torch.AcceleratorError):
        raise DeviceLost(str(error)) from error
    if is_out_of_memory(error):
        return OutOfMemory("The picture needs more memory than its device has left; fewer pixels need less.")
    return GenerationFailed(f"The engine failed with {type(error).__name__}; the worker's log has the details.")
