"""From an image's latents to its pixels: its lane decodes them, its canvas keeps what it must, its tenants pay."""

import logging
import time

import torch
from torch import Tensor

from worker.events import Picture
from worker.generation import Generation
from worker.images import Pixels
from worker.lane import Lane
from worker.recording import Recording

logger = logging.getLogger(__name__)


def developed(lane: Lane, generation: Generation, latents: Tensor) -> Pixels:
    """The picture of latents (1, C, H, W), which may be those of an estimate."""
    started_at = time.perf_counter()
    pixels = lane.decode(generation.pipeline, latents)
    seconds = time.perf_counter() - started_at
    lane.owe(generation.tenants, seconds)
    if generation.recording is not None:
        generation.recording.decoded(pixels, seconds)
    return pixels if generation.canvas is None else generation.canvas.composite(pixels)


def finished(lane: Lane, generation: Generation, pixels: Pixels) -> Picture:
    """The picture of an image that is done; its recording, if there is one, does what is left to do."""
    return Picture(pixels, lane.certificate, generation.ingredients, _ended(lane, generation))


def _ended(lane: Lane, generation: Generation) -> Recording | None:
    """The recording of an image that is done; None where there is none, or it cannot be brought to an end."""
    recording, started_at = generation.recording, time.perf_counter()
    if recording is None:
        return None
    try:
        recording.end(generation.pipeline, generation.latents)
    except torch.AcceleratorError:
        raise
    except Exception as error:
        logger.error("a recording cannot be brought to an end", exc_info=error)
        recording = None
    lane.owe(generation.tenants, time.perf_counter() - started_at)
    return recording
