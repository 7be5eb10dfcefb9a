"""What a mask means: which latents may change, and from when on.

A mask is what the client drew, white where the picture may change. Latents are free wherever any of their pixels may
change; the pixels that may not are put back after decoding.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from contract.canvas_sizes import check_sizes, check_tones
from contract.editing import Size
from worker.images import Pixels
from worker.schedules import Schedule

Mask = npt.NDArray[np.uint8]
"""Shape (height, width): 255 may change, 0 may not, what is between does by so much."""

Region = tuple[slice, slice]
"""The rows and the columns of a part of a picture."""

NEVER = 2**31 - 1
"""The number of evaluations after which a latent is free that never is."""


def check(mask: Mask, picture: Pixels) -> None:
    """Holds a mask against its picture: of the same size, and a part of it selected. Raises: InvalidMask."""
    check_sizes({"image": Size(*picture.shape[:2]), "mask": Size(*mask.shape)})
    check_tones(int(mask.min()), int(mask.max()))


def largest(mask: Mask, height: int, width: int) -> Tensor:
    """How far each latent may change: as far as that one of its pixels that may change most.

    Shapes: result (1, 1, H, W), from 0 to 1.
    """
    values = torch.from_numpy(mask.astype(np.float32) / 255)[None, None]
    return functional.adaptive_max_pool2d(values, (height, width))


def corners(mask: Mask, height: int, width: int) -> Tensor:
    """Whether the first pixel of each latent may change, as networks for inpainting are used to see it.

    Shapes: result (1, 1, H, W), 0 or 1.
    Source: must equal `prepare_mask_latents` of `StableDiffusionInpaintPipeline`.
    """
    values = torch.from_numpy((mask >= 128).astype(np.float32))[None, None]
    return functional.interpolate(values, size=(height, width))


def region(mask: Mask, padding: int, proportions: Size) -> Region:
    """The part of a picture that has all of a mask and so many pixels around it, as far as it can in these proportions.

    Source: `get_crop_region_v2` and `expand_crop_region` of AUTOMATIC1111/stable-diffusion-webui, modules/masking.py.
    """
    marked = mask > 0
    rows, columns = _span(marked.max(axis=1), padding), _span(marked.max(axis=0), padding)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    return (
        _widened(rows, round(width * proportions.height / proportions.width), mask.shape[0]),
        _widened(columns, round(height * proportions.width / proportions.height), mask.shape[1]),
    )


def _span(marked: npt.NDArray[np.bool_], padding: int) -> slice:
    """From the first to the last that is marked, and so many more on each side as there are."""
    places = np.flatnonzero(marked)
    return slice(max(0, int(places[0]) - padding), min(len(marked), int(places[-1]) + 1 + padding))


def _widened(span: slice, length: int, limit: int) -> slice:
    """A span of this length with the given one in its middle, or as near to that as its limit lets it."""
    length = min(limit, max(length, span.stop - span.start))
    start = span.start - (length - (span.stop - span.start)) // 2
    start = min(max(start, 0), limit - length)
    return slice(start, start + length)


def kept_until(mask: Tensor) -> Tensor:
    """After how many evaluations each latent is kept for the last time: those under the mask never are.

    Shapes: mask and result (1, 1, H, W).
    """
    return torch.where(mask > 0, -1, NEVER)


def kept_until_strength(mask: Tensor, strength: float, whole: Schedule, part: Schedule) -> Tensor:
    """The same where the mask says how strongly each latent may change, white as much as `strength`.

    `part` is `whole` from `strength` on. A latent is free from the level on from which an image of its strength starts.
    Shapes: mask and result (1, 1, H, W).
    Source: Levin & Fried 2023, arXiv:2306.00950, Algorithm 1, with steps counted as `from_strength` does.
    """
    starts = {value: _start(value * strength, whole, part) for value in mask.unique().tolist()}
    result = torch.full(mask.shape, NEVER)
    for value, start in starts.items():
        result[mask == value] = start
    return result


def _start(strength: float, whole: Schedule, part: Schedule) -> int:
    """How many evaluations of `part` come before an image of this strength starts."""
    if strength == 0:
        return NEVER
    here = whole.course.legs[whole.course.num_skipped(strength)].here
    return max(index for index, evaluation in enumerate(part.evaluations) if evaluation.here is here)
