"""What fills a hole: the smoothest thing that there is, whatever the size and the mask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.fills import harmonic
from worker.images import Pixels
from worker.masks import Mask


def plane(height: int, width: int) -> Pixels:
    """Tones that rise evenly, as every solution of Laplace's equation with such a boundary does."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([1.5 * x + 20, 1.2 * y + 40, 0.7 * (x + y)], axis=-1).round().astype(np.uint8)


def box(height: int, width: int, top: int, left: int) -> Mask:
    mask = np.zeros((height, width), np.uint8)
    mask[top:-top, left:-left] = 255
    return mask


@pytest.mark.parametrize("side", [64, 96, 128])
def test_an_even_rise_goes_on_through_a_hole(side: int) -> None:
    picture = plane(side, side)
    hidden = box(side, side, side // 4, side // 5)
    spoilt = np.where(hidden[..., None] > 0, np.uint8(200), picture)
    assert np.abs(harmonic(spoilt, hidden).astype(int) - picture).max() <= 2


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 70), st.floats(0.0, 0.999))
def test_what_is_kept_stays_and_the_fill_is_no_brighter_and_no_darker(
    seed: int, height: int, width: int, share: float
) -> None:
    draw = np.random.default_rng(seed)
    picture = draw.integers(0, 256, (height, width, 3)).astype(np.uint8)
    mask = (draw.random((height, width)) < share).astype(np.uint8) * 255
    mask[draw.integers(height), draw.integers(width)] = 0
    filled = harmonic(picture, mask)
    kept = picture[mask == 0]
    assert np.array_equal(filled[mask == 0], kept)
    assert (filled >= kept.min(0)).all()
    assert (filled <= kept.max(0)).all()


def test_a_hole_at_the_edge_takes_the_tone_beside_it() -> None:
    picture = np.full((50, 33, 3), 93, np.uint8)
    mask = np.zeros((50, 33), np.uint8)
    mask[20:, 4:] = 7
    spoilt = np.where(mask[..., None] > 0, np.uint8(0), picture)
    assert np.array_equal(harmonic(spoilt, mask), picture)


def test_large_pictures_are_filled_too() -> None:
    rise = np.linspace(0, 250, 1100).round().astype(np.uint8)
    picture, hidden = np.broadcast_to(rise[:, None], (1100, 1100, 3)), box(1100, 1100, 201, 333)
    spoilt = np.where(hidden[..., None] > 0, np.uint8(255), picture)
    found = harmonic(spoilt, hidden)
    assert np.array_equal(found[hidden == 0], picture[hidden == 0])
    assert np.abs(found.astype(int) - picture).max() <= 3


def test_where_all_is_hidden_there_is_nothing_to_go_by() -> None:
    assert np.array_equal(harmonic(plane(8, 8), np.full((8, 8), 1, np.uint8)), plane(8, 8))
