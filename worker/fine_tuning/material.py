"""What a network sees of lessons: latents of square pictures, made once, and their captions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from worker.fine_tuning.draws import draws
from worker.fine_tuning.messages import Lesson
from worker.images import Pixels
from worker.inputs import read_pixels, tensor_of
from worker.pipelines.stable_diffusion import StableDiffusion

HELD_OUT_EVERY = 5
ENOUGH_TO_HOLD_OUT = 10


@dataclass(frozen=True, eq=False)
class Material:
    """Pictures as latents (N, C, H, W), and what each is taught under."""

    latents: Tensor
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.captions)


def square(picture: bytes, resolution: int) -> Pixels:
    """A picture, its shorter side scaled to so many pixels and the longer one cut around its middle.

    Raises: DamagedFile. Shapes: result (resolution, resolution, 3).
    """
    image = Image.fromarray(read_pixels(picture))
    factor = resolution / min(image.size)
    width, height = (max(resolution, round(side * factor)) for side in image.size)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    left, top = (width - resolution) // 2, (height - resolution) // 2
    return np.asarray(image.crop((left, top, left + resolution, top + resolution)))


@torch.no_grad()
def encoded(model: StableDiffusion, pixels: Sequence[Pixels], seed: int) -> Tensor:
    """Latents of pictures of one size, each the draw of its own place. Shapes: result (N, C, H, W)."""
    return torch.cat(
        [model.encode_picture(tensor_of(one), draws(seed, place, "posterior")) for place, one in enumerate(pixels)]
    )


def held_out_kind(number: int) -> Literal["pictures", "noise"]:
    """What is held out of so many pictures: some of them, or only other noise on all of them."""
    return "pictures" if number >= ENOUGH_TO_HOLD_OUT else "noise"


def split(lessons: Sequence[Lesson]) -> tuple[list[Lesson], list[Lesson]]:
    """What is taught, and what is held out: every fifth where there are ten or more, else nothing."""
    if held_out_kind(len(lessons)) == "noise":
        return list(lessons), []
    held = [lesson for place, lesson in enumerate(lessons) if place % HELD_OUT_EVERY == HELD_OUT_EVERY - 1]
    return [lesson for place, lesson in enumerate(lessons) if place % HELD_OUT_EVERY != HELD_OUT_EVERY - 1], held
