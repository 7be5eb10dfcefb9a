"""Where a repainted part meets what was kept: an autoencoder shifts tones a little, and this takes the shift back."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from worker.images import Pixels
from worker.masks import Mask

REACH = 5.0
"""The deviation of the bell over which tones are compared. Units: pixels; somewhat less than one latent stands for."""

LARGEST_SHIFT = 40.0
"""Differences beyond this many of 255 tones are of what is shown, and not of how."""


def healed(pixels: Pixels, picture: Pixels, mask: Mask) -> Pixels:
    """New pixels in the tone of the kept ones next to them; the shift fades out with the distance from the seam.

    Shapes: pixels, picture and result (height, width, 3).
    Source: after Pérez et al. 2003, doi:10.1145/882262.882269, equation 10, with a mean over a bell in the place of the
            membrane.
    """
    kept = torch.from_numpy((mask == 0).astype(np.float32))[None, None]
    difference = torch.from_numpy(picture.astype(np.float32) - pixels.astype(np.float32)).permute(2, 0, 1)[:, None]
    there = _blurred(kept)
    shift = _blurred(difference.clamp(-LARGEST_SHIFT, LARGEST_SHIFT) * kept) / there.clamp_min(0.5)
    healed = pixels + shift[:, 0].permute(1, 2, 0).numpy()
    result: Pixels = healed.round().clip(0, 255).astype(np.uint8)
    return result


def _blurred(values: Tensor) -> Tensor:
    """A mean over a bell; beyond its edges a picture has no weight. Shapes: values and result (n, 1, height, width)."""
    radius = int(3 * REACH)
    bell = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / REACH) ** 2)
    bell = bell / bell.sum()
    along = functional.conv2d(values, bell[None, None, None], padding=(0, radius))
    return functional.conv2d(along, bell[None, None, :, None], padding=(radius, 0))
