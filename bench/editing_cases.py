"""What is edited to measure editing, and what is measured of the results."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from statistics import fmean

import numpy as np
from PIL import Image

from contract.editing import Size
from training.places import KINDS, Colour
from training.scenes import compose
from training.sprites import Sprite
from worker.images import Pixels
from worker.masks import Mask


@dataclass(frozen=True, slots=True)
class Case:
    """A real render, what of it is hidden, what it shows, and what would be there if it had been left out."""

    picture: Pixels
    mask: Mask
    label: str
    without: Pixels | None = None


def right(size: Size) -> Mask:
    """The right half."""
    mask = np.zeros(size, np.uint8)
    mask[:, size.width // 2 :] = 255
    return mask


def lower(size: Size) -> Mask:
    """The lower half."""
    mask = np.zeros(size, np.uint8)
    mask[size.height // 2 :] = 255
    return mask


def singles(sprites: Mapping[str, Sprite], number: int, half: Callable[[Size], Mask]) -> list[Case]:
    """Single things on white, of which a half is hidden."""
    rng = random.Random(3)
    cases = []
    for label in rng.sample(sorted(sprites), number):
        picture = np.asarray(compose(KINDS["single"], [sprites[label]], (255, 255, 255), rng))
        cases.append(Case(picture, half(Size(*picture.shape[:2])), label))
    return cases


def pairs(sprites: Mapping[str, Sprite], colours: Sequence[Colour], number: int) -> list[Case]:
    """Two things beside each other on a colour that the model knows, of which the right one is hidden."""
    rng = random.Random(4)
    cases = []
    for _ in range(number):
        labels = rng.sample(sorted(sprites), 2)
        colour = rng.choice(colours)
        state = rng.getstate()
        both = np.asarray(compose(KINDS["beside"], [sprites[label] for label in labels], colour, rng))
        rng.setstate(state)
        one = np.asarray(compose(("left",), [sprites[labels[0]]], colour, rng))
        mask = np.zeros(both.shape[:2], np.uint8)
        mask[28:100, 64:128] = 255
        cases.append(Case(both, mask, labels[1], one))
    return cases


# ---- measures


def outside(made: Sequence[Pixels], cases: Sequence[Case]) -> int:
    """The largest difference in what must be kept. Units: tones of 255."""
    differences = [
        np.abs(pixels.astype(int) - case.picture)[case.mask == 0].max()
        for pixels, case in zip(made, cases, strict=True)
    ]
    return int(max(differences))


def seam(made: Sequence[Pixels], cases: Sequence[Case]) -> float:
    """How much tones change across the edges of all masks, over how much they do in the originals."""
    changes = fmean(across(pixels, case.mask) for pixels, case in zip(made, cases, strict=True))
    return changes / fmean(across(case.picture, case.mask) for case in cases)


def across(pixels: Pixels, mask: Mask) -> float:
    """The mean change from a kept pixel to the changed one beside it. Units: tones."""
    tones, inside = pixels.astype(int), mask > 0
    changes = [np.abs(np.diff(tones, axis=axis)).mean(-1)[np.diff(inside, axis=axis)] for axis in (0, 1)]
    return float(np.concatenate(changes).mean())


def error(pixels: Pixels, case: Case) -> float:
    """The mean distance from the render without the thing, where it was. Units: tones."""
    assert case.without is not None, "cases of removal have one"
    return float(np.abs(pixels.astype(int) - case.without)[case.mask > 0].mean())


def is_gone(pixels: Pixels, case: Case) -> bool:
    """Whether less than a twentieth of the place stands out of the background."""
    background = case.picture[0, 127].astype(int)
    apart = np.abs(pixels.astype(int) - background).max(-1)[case.mask > 0] > 40
    return float(apart.mean()) < 0.05


def png(pixels: Pixels) -> bytes:
    """A picture or a mask as a file."""
    output = BytesIO()
    Image.fromarray(pixels).save(output, "png")
    return output.getvalue()
