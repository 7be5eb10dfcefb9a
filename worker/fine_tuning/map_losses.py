"""How wrong a decoded map is, by what it shows."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

from contract.maps import Task

ANCHOR = 0.1
"""How much the range of a depth map itself counts: with none, black could be near in one run and far in the next."""

STEEPEST_COSINE = 0.9999
"""Beyond it the arc cosine's slope is without bounds."""

SMALLEST = 1e-6


def affine_invariant_error(depth: Tensor, true: Tensor) -> Tensor:
    """The mean absolute error that the best scale and shift of each map leave.

    Shapes: both (B, 1, height, width), result ().
    Source: Ranftl et al. 2019, arXiv:1907.01341, equation 4 for the scale and the shift, with the error of
            Martin Garcia et al. 2024, arXiv:2409.11355, section 4.
    """
    return (aligned(depth, true) - true).abs().mean()


def aligned(depth: Tensor, true: Tensor) -> Tensor:
    """Maps (B, 1, height, width) with the scale and the shift that bring each nearest to the true one, in squares."""
    means = depth.mean(dim=(1, 2, 3), keepdim=True), true.mean(dim=(1, 2, 3), keepdim=True)
    centred = depth - means[0]
    covariance = (centred * (true - means[1])).mean(dim=(1, 2, 3), keepdim=True)
    scale = covariance / (centred.square().mean(dim=(1, 2, 3), keepdim=True) + SMALLEST)
    return scale * centred + means[1]


def depth_loss(pixels: Tensor, true: Tensor) -> Tensor:
    """Of maps whose grey is depth. Shapes: both (B, 3, height, width), from -1 to 1; result ()."""
    depth, wanted = pixels.mean(dim=1, keepdim=True).clamp(-1, 1), true.mean(dim=1, keepdim=True)
    return affine_invariant_error(depth, wanted) + ANCHOR * (depth - wanted).abs().mean()


def angles(normals: Tensor, true: Tensor) -> Tensor:
    """Between directions of any length. Units: radians.

    Shapes: both (B, 3, height, width), result (B, height, width).
    """
    cosines = functional.cosine_similarity(normals, true, dim=1, eps=SMALLEST)
    return torch.acos(cosines.clamp(-STEEPEST_COSINE, STEEPEST_COSINE))


def normals_loss(pixels: Tensor, true: Tensor) -> Tensor:
    """The mean angle. Source: Martin Garcia et al. 2024, arXiv:2409.11355, section 4. Shapes: as `depth_loss`."""
    return angles(pixels, true).mean()


def edges_loss(pixels: Tensor, true: Tensor) -> Tensor:
    """The cross-entropy of white against black: a pixel that may be an edge is to be grey. Shapes: as `depth_loss`."""
    share = (pixels.mean(dim=1) * 0.5 + 0.5).clamp(SMALLEST, 1 - SMALLEST)
    return functional.binary_cross_entropy(share, (true.mean(dim=1) * 0.5 + 0.5).clamp(0, 1))


def colours_loss(pixels: Tensor, true: Tensor) -> Tensor:
    """The mean absolute error. Shapes: as `depth_loss`."""
    return (pixels - true).abs().mean()


MAP_LOSSES: Mapping[Task, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {"depth": depth_loss, "normals": normals_loss, "edges": edges_loss, "segmentation": colours_loss}
)
