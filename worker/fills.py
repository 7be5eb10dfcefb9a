"""What is laid where a picture has nothing to show: in another size, in room around it, where something is hidden."""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from contract.editing import Expand, Resize, Size
from worker.images import Pixels
from worker.masks import Mask

Tones = npt.NDArray[np.float32]
"""Shape (height, width, channels)."""

Number = TypeVar("Number", np.uint8, np.float32)
Hidden = npt.NDArray[np.bool_]
"""Shape (height, width)."""

NUM_ROUNDS = 30
"""How often a fill is relaxed at each size; what is left to be smoothed is then of less than a tone."""

MOST_PIXELS = 1 << 20
"""Larger pictures are filled at half their size, which a fill without details does not show."""

BLUR_SHARE = 0.08
"""How far the fill beside a picture is blurred, as a share of its longer side."""


def resampled(picture: Pixels, size: Size) -> Pixels:
    """The picture stretched to a size, by Lanczos' kernel. Shapes: (height, width, 3) or (height, width)."""
    if picture.shape[:2] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size.width, size.height), Image.Resampling.LANCZOS))


def resized(picture: Pixels, size: Size, how: Resize) -> Pixels:
    """The picture brought to a size. Shapes: (height, width, 3) or (height, width)."""
    if how == "stretch" or picture.shape[:2] == size:
        return resampled(picture, size)
    height, width = picture.shape[:2]
    factors = size.height / height, size.width / width
    factor = max(factors) if how == "crop" else min(factors)
    inner = resampled(picture, Size(max(1, round(height * factor)), max(1, round(width * factor))))
    over = Size(inner.shape[0] - size.height, inner.shape[1] - size.width)
    if how == "crop":
        top, left = over.height // 2, over.width // 2
        return inner[top : top + size.height, left : left + size.width]
    top, left = -over.height // 2, -over.width // 2
    return _edged(inner, top, -over.height - top, left, -over.width - left)


def expanded(picture: Pixels, expand: Expand) -> Pixels:
    """The picture with room around it, filled with the colours of its edges, blurred. Shapes: (height, width, 3)."""
    wide = _edged(picture, expand.top, expand.bottom, expand.left, expand.right)
    radius = BLUR_SHARE * max(wide.shape)
    blurred = np.array(Image.fromarray(wide).filter(ImageFilter.GaussianBlur(radius)))
    height, width = picture.shape[:2]
    blurred[expand.top : expand.top + height, expand.left : expand.left + width] = picture
    return blurred


def expanded_mask(mask: Mask | None, size: Size, expand: Expand) -> Mask:
    """White in all that is new, and in the picture of this size as it was: black, where there was no mask."""
    inner = np.zeros(size, np.uint8) if mask is None else mask
    margins = (expand.top, expand.bottom), (expand.left, expand.right)
    return np.pad(inner, margins, constant_values=255)


def harmonic(picture: Pixels, mask: Mask) -> Pixels:
    """The picture with the smoothest fill in what the mask hides: each pixel there is the mean of those around it.

    Where everything is hidden there is nothing to go by, and the picture stays.
    Shapes: picture and result (height, width, 3), mask (height, width).
    Source: Laplace's equation with the kept pixels for its boundary, relaxed by Jacobi's method from coarse to fine.
    """
    hidden = mask > 0
    if hidden.all() or not hidden.any():
        return picture
    if hidden.size > MOST_PIXELS:
        tones, few = _halved(picture, hidden)
        smooth = _doubled(harmonic(_rounded(tones), few.astype(np.uint8)), hidden)
    else:
        smooth = _rounded(_relaxed(picture.astype(np.float32), hidden))
    result: Pixels = np.where(hidden[..., None], smooth, picture)
    return result


def _rounded(tones: Tones) -> Pixels:
    return tones.round().astype(np.uint8)


def _relaxed(tones: Tones, hidden: Hidden) -> Tones:
    if not hidden.any():
        return tones
    unknown = hidden[..., None]
    tones = np.where(unknown, _doubled(_relaxed(*_halved(tones, hidden)), hidden), tones)
    for _ in range(NUM_ROUNDS):
        wide = np.pad(tones, ((1, 1), (1, 1), (0, 0)), mode="edge")
        mean = (wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]) / 4
        tones = np.where(unknown, mean, tones)
    return tones


def _doubled(values: npt.NDArray[Number], like: Hidden) -> npt.NDArray[Number]:
    height, width = like.shape
    return values.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]


def _halved(tones: Tones | Pixels, hidden: Hidden) -> tuple[Tones, Hidden]:
    """The mean of what is known of each four pixels; hidden is where nothing is."""
    height, width = hidden.shape
    margins = (0, height % 2), (0, width % 2)
    weights = np.pad(~hidden, margins).astype(np.float32)[..., None]
    wide: npt.NDArray[Any] = np.pad(tones, (*margins, (0, 0)))
    sums, known = (_fours(values).sum((1, 3)) for values in (wide * weights, weights))
    return sums / np.maximum(known, 1), known[..., 0] == 0


def _fours(values: Tones) -> Tones:
    height, width, channels = values.shape
    return values.reshape(height // 2, 2, width // 2, 2, channels)


def _edged(picture: Pixels, top: int, bottom: int, left: int, right: int) -> Pixels:
    margins = [(top, bottom), (left, right), (0, 0)][: picture.ndim]
    return np.pad(picture, margins, mode="edge")
