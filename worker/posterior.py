"""How an image is pulled towards what must stay: by the misfit of its estimate, whose gradient reaches the rest too."""

import torch
from torch import Tensor

from worker.sigmas import Level

WEIGHT = 20.0
"""How strongly the misfit pulls; of 5, 20 and 80, this looked best on four pictures of the embedded model."""

MAX_SHIFT = 1.5
"""The bound on one evaluation's pull, as the root of the mean square of the clean latents."""


class Misfit:
    """How far the estimate of the clean latents is from a picture's own where these are kept.

    Shapes: clean (1, C, H, W), kept (1, 1, H, W), true or false.
    Source: Chung et al. 2023, arXiv:2209.14687, Algorithm 1, line 7, whose norm it is, for latents.
    """

    max_shift = MAX_SHIFT

    def __init__(self, clean: Tensor, kept: Tensor) -> None:
        self._clean = clean
        self._kept = kept

    def __call__(self, denoised: Tensor, level: Level) -> Tensor:
        """The norm of the misfit. Shapes: denoised (1, C, H, W), result ()."""
        del level
        misfit: Tensor = torch.linalg.vector_norm((denoised - self._clean.clone()) * self._kept.clone())
        return WEIGHT * misfit
