"""Pictures of numbers: latents by the colours that fit a picture best, maps in grey, and parts side by side."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contract.trace_document import TileTraced
from worker.images import Pixels

Array = npt.NDArray[np.float32]
Named = tuple[str, Pixels]

PENALTY = 1e-3
"""On the weights of a fit, per place: a picture of one colour says nothing about them."""

BRIGHTER = 8
"""How much differences of pixels are brightened."""


class Colours(NamedTuple):
    """A linear map from latents to red, green and blue, from 0 to 1. Shapes: matrix (3, C), offset (3,)."""

    matrix: Array
    offset: Array

    def of(self, latents: Array) -> Pixels:
        """Latents as a picture. Shapes: latents (C, h, w), result (h, w, 3)."""
        mixed: Array = np.tensordot(latents, self.matrix, axes=(0, 1)) + self.offset
        return to_bytes(mixed)


def fitted(latents: Array, pixels: Pixels) -> Colours:
    """The map that makes of latents what their decoded picture is, by least squares.

    Shapes: latents (C, h, w), pixels (height, width, 3).
    Source: ridge regression, Hoerl & Kennard 1970, doi:10.1080/00401706.1970.10488634, equation 2.1.
    """
    num_channels, height, width = latents.shape
    small = (
        pixels.reshape(height, pixels.shape[0] // height, width, pixels.shape[1] // width, 3).mean(axis=(1, 3)) / 255
    )
    known = np.concatenate([latents.reshape(num_channels, -1).T, np.ones((height * width, 1))], axis=1).astype(float)
    penalty = np.diag([PENALTY * height * width] * num_channels + [0.0])
    weights = np.linalg.solve(known.T @ known + penalty, known.T @ small.reshape(-1, 3))
    return Colours(weights[:-1].T.astype(np.float32), weights[-1].astype(np.float32))


def to_bytes(unit: Array) -> Pixels:
    """Numbers from 0 to 1 as bytes; what is beyond is cut."""
    values: Pixels = (unit * 255).round().clip(0, 255).astype(np.uint8)
    return values


def grey(values: Array, low: float, high: float) -> Pixels:
    """Numbers (h, w), black at `low` and white at `high`."""
    unit = (values - low) / (high - low or 1.0)
    return np.repeat(to_bytes(unit)[:, :, None], 3, axis=2)


def sheet(rows: Sequence[Sequence[Pixels]]) -> Pixels:
    """Tiles of one size, row by row."""
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)


def differing(picture: Pixels, again: Pixels) -> Pixels:
    """How far two pictures are from each other, brightened."""
    far = np.abs(picture.astype(np.int16) - again.astype(np.int16)) * BRIGHTER
    return far.clip(0, 255).astype(np.uint8)


def side_by_side(
    pictures: Sequence[tuple[str, Pixels]], below: Sequence[tuple[str, Pixels]]
) -> tuple[Pixels, list[TileTraced]]:
    """Pictures in a row, and smaller ones below them, on white; and what is where."""
    tiles = [*_placed(pictures, 0), *_placed(below, max(picture.shape[0] for _, picture in pictures))]
    height = max(tile.y + tile.height for tile in tiles)
    width = max(tile.x + tile.width for tile in tiles)
    whole = np.full((height, width, 3), 255, np.uint8)
    for tile, (_, picture) in zip(tiles, [*pictures, *below], strict=True):
        whole[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = picture
    return whole, tiles


def _placed(pictures: Sequence[Named], y: int) -> Iterator[TileTraced]:
    x = 0
    for name, picture in pictures:
        height, width = picture.shape[:2]
        yield TileTraced(name=name, x=x, y=y, width=width, height=height)
        x += width
