"""This file knows the measures that need no model: likeness, background colours, counts, distance of distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training.places import Colour
from training.scenes import to_tensor


def psnr(made: Tensor, wanted: Tensor) -> Tensor:
    """Peak signal to noise in dB of pictures in -1 … 1: (B,)."""
    error = ((made.clamp(-1, 1) - wanted) / 2).square().mean((1, 2, 3))
    return -10 * error.clamp_min(1e-10).log10()


def ssim(made: Tensor, wanted: Tensor) -> Tensor:
    """Structural similarity of pictures in -1 … 1, the mean over channels: (B,).

    Source: Wang et al. 2004, doi:10.1109/TIP.2003.819861, eq. 13, with their Gaussian window of 11 and 1.5 pixels.
    """
    a, b = ((pixels.clamp(-1, 1) + 1) / 2 for pixels in (made, wanted))
    line = torch.exp(-torch.linspace(-5, 5, 11).square() / (2 * 1.5**2))
    window = (torch.outer(line, line) / line.sum() ** 2).expand(a.shape[1], 1, 11, 11)

    def blurred(pixels: Tensor) -> Tensor:
        return functional.conv2d(pixels, window, groups=pixels.shape[1])

    mean_a, mean_b = blurred(a), blurred(b)
    spread = blurred(a * a) + blurred(b * b) - mean_a.square() - mean_b.square()
    joint = blurred(a * b) - mean_a * mean_b
    similar = (2 * mean_a * mean_b + 0.01**2) * (2 * joint + 0.03**2)
    return (similar / ((mean_a.square() + mean_b.square() + 0.01**2) * (spread + 0.03**2))).mean((1, 2, 3))


def border_colours(images: Sequence[Image.Image]) -> Tensor:
    """The median colour of the outermost four pixels on all sides, in -1 … 1: (B, 3)."""
    pixels = to_tensor(images)
    sides = (pixels[..., :4, :], pixels[..., -4:, :], pixels[..., :, :4], pixels[..., :, -4:])
    return torch.cat([side.flatten(2) for side in sides], dim=2).median(dim=2).values


def nearest_colours(images: Sequence[Image.Image], colours: Mapping[str, Colour]) -> list[str]:
    """The name of the colour that each background is nearest to."""
    names = list(colours)
    palette = torch.tensor([colours[name] for name in names]) / 127.5 - 1.0
    return [names[row] for row in torch.cdist(border_colours(images), palette).argmin(1).tolist()]


def count_things(images: Sequence[Image.Image]) -> list[int]:
    """How many patches stand out of each background: connected at 64x64 cells and at least 120 cells large."""
    cells = functional.avg_pool2d(to_tensor(images), 2)
    apart = (cells - border_colours(images)[:, :, None, None]).abs().amax(1) > 0.3
    return [sum(size >= 120 for size in patch_sizes(mask)) for mask in apart]


def patch_sizes(mask: Tensor) -> list[int]:
    """Sizes of the patches of neighbouring true cells (H, W), side by side or one above the other."""
    left = {(int(row), int(column)) for row, column in mask.nonzero().tolist()}
    sizes = []
    while left:
        edge, size = [left.pop()], 0
        while edge:
            row, column = edge.pop()
            size += 1
            near = {(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)} & left
            left -= near
            edge += near
        sizes.append(size)
    return sizes


def kernel_distance(made: Tensor, real: Tensor) -> float:
    """The squared maximum mean discrepancy of features (B, D), without bias: about 0 for equal distributions.

    Source: Binkowski et al. 2018, arXiv:1801.01401, section 4 (KID: the kernel (x·y / D + 1)³) and equation 4.
    """
    within = [_kernel(rows, rows) for rows in (made, real)]
    apart = [(kernel.sum() - kernel.diagonal().sum()) / (len(kernel) * (len(kernel) - 1)) for kernel in within]
    return float(apart[0] + apart[1] - 2 * _kernel(made, real).mean())


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    kernel: Tensor = (first.double() @ second.double().T / first.shape[1] + 1) ** 3
    return kernel
