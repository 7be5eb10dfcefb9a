"""Whether a picture shows the mascot: which of many labelled pictures it is nearest to, in colours and shape."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.mascot import Pixels

SIDE = 16
"""Pixels of what is compared: enough for the eye and the antennae, too few for where an edge is to the pixel."""

DIFFERENT = 60
"""This far apart, over three channels of 0 to 255, colours are not the same thing."""

Features = npt.NDArray[np.float32]


def figure(picture: Pixels) -> Features:
    """What stands in front of the background, cut out, scaled to one size, on grey: pose and place do not count.

    The background is the colour of most of the border. Shapes: result (16 · 16 · 3,).
    """
    border = np.concatenate([picture[:3].reshape(-1, 3), picture[-3:].reshape(-1, 3), picture[:, :3].reshape(-1, 3)])
    background = np.median(border, axis=0)
    differs = np.abs(picture.astype(np.int16) - background).sum(axis=2) > DIFFERENT
    rows, columns = np.flatnonzero(differs.sum(axis=1) > 2), np.flatnonzero(differs.sum(axis=0) > 2)
    if not len(rows) or not len(columns):
        return np.full(SIDE * SIDE * 3, 0.5, dtype=np.float32)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    cut = np.where(differs[box][..., None], picture[box], 128).astype(np.uint8)
    small: Features = np.asarray(Image.fromarray(cut).resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
    return small.flatten() / np.float32(255)


@dataclass(frozen=True, eq=False)
class Judge:
    """Labelled pictures. Shapes: it and others (N, F)."""

    it: Features
    others: Features

    @classmethod
    def of(cls, it: Sequence[Pixels], others: Sequence[Pixels]) -> "Judge":
        """Who has seen these."""
        return cls(np.stack([figure(one) for one in it]), np.stack([figure(one) for one in others]))

    def says_yes(self, picture: Pixels) -> bool:
        """Whether the nearest of all pictures is one of the mascot."""
        seen = figure(picture)
        return bool(_nearest(self.it, seen) < _nearest(self.others, seen))

    def share(self, pictures: Sequence[Pixels]) -> float:
        """Of how many of these it says yes."""
        return float(np.mean([self.says_yes(picture) for picture in pictures]))


def _nearest(known: Features, seen: Features) -> float:
    return float(np.square(known - seen).sum(axis=1).min())
