"""Pictures of another size: resampled, cropped, and with room around them."""

import numpy as np
from PIL import Image, ImageFilter

from contract.editing import Expand, Resize, Size
from worker.images import Pixels
from worker.masks import Mask

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


def _edged(picture: Pixels, top: int, bottom: int, left: int, right: int) -> Pixels:
    margins = [(top, bottom), (left, right), (0, 0)][: picture.ndim]
    return np.pad(picture, margins, mode="edge")
