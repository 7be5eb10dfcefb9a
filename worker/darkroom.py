"""From an image's latents to its pixels: its lane decodes them, its canvas keeps what it must, its tenants pay."""

import time

from torch import Tensor

from worker.events import Picture
from worker.generation import Generation
from worker.images import Pixels
from worker.lane import Lane


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
    if generation.recording is not None:
        started_at = time.perf_counter()
        generation.recording.end(generation.pipeline, generation.latents)
        lane.owe(generation.tenants, time.perf_counter() - started_at)
    return Picture(pixels, lane.certificate, generation.ingredients, generation.recording)
