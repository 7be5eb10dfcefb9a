"""What is found out about a result: against what the model was before, and against the pictures it was taught."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from contract.fine_tuning import Nearest
from worker.fine_tuning.method import Method
from worker.images import Pixels

PROMPTS_WITHOUT_TRIGGER = ("a cat", "a house", "a red apple", "a robot", "a tree on a blue background", "two birds")
SEED = 0

SMALL = 32
"""Pixels along each side of what is compared: so small that where an edge is to the pixel does not count."""

SHIFTS = ((-3, 0), (3, 0), (0, -3), (0, 3))
"""Small movements, in pixels of 128, that leave a picture the same."""

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Findings:
    """A method's model at one moment."""

    held_out_loss: float
    pictures: Sequence[Pixels]


def examine(method: Method, prompts: Sequence[str] = PROMPTS_WITHOUT_TRIGGER) -> Findings:
    """Its loss on what is held out, and its pictures of prompts."""
    return Findings(method.held_out_loss(), method.sample(prompts, SEED) if prompts else [])


def drift(before: Sequence[Pixels], after: Sequence[Pixels]) -> float:
    """Mean absolute difference of pixels, of 1."""
    pairs = zip(before, after, strict=True)
    return float(np.mean([np.abs(one.astype(np.float32) - other).mean() / 255 for one, other in pairs]))


def nearest(
    samples: Sequence[Sequence[Pixels]], seeds: Sequence[int], prompts: Sequence[str], taught: Sequence[Pixels]
) -> tuple[Nearest, ...]:
    """For each sample, of a prompt in each column, the picture that it could be a copy of."""
    known = [_small(picture) for picture in taught]
    found = []
    for seed, column in zip(seeds, samples, strict=True):
        for prompt, sample in zip(prompts, column, strict=True):
            distances = [_distance(_small(sample), one) for one in known]
            place = int(np.argmin(distances))
            found.append(
                Nearest(prompt=prompt, seed=seed, distance=distances[place], among_training=_own(taught[place]))
            )
    return tuple(found)


def memorised(found: Sequence[Nearest]) -> float:
    """The share that is nearer to a taught picture than slightly changed copies of that picture are."""
    return float(np.mean([one.distance < one.among_training for one in found]))


def _own(picture: Pixels) -> float:
    moved = [np.roll(picture, shift, axis=(0, 1)) for shift in SHIFTS]
    moved.append(np.asarray(np.clip(picture * np.float32(1.06), 0, 255), np.uint8))
    return float(np.mean([_distance(_small(picture), _small(one)) for one in moved]))


def _small(picture: Pixels) -> Numbers:
    image = Image.fromarray(picture).resize((SMALL, SMALL), Image.Resampling.BOX)
    return np.asarray(image, np.float32) / np.float32(255)


def _distance(one: Numbers, other: Numbers) -> float:
    return float(np.sqrt(np.square(one - other).mean()))
