"""This file knows the best that any network could say of noisy pictures that were drawn from a known set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ideal:
    """The posterior over a set of pictures, each as likely as the others. Shapes: pictures (N, D)."""

    pictures: Tensor

    def weights(self, noisy: Tensor, kept: Tensor) -> Tensor:
        """How likely each picture is the one that was noised: (B, N).

        Shapes: noisy (B, C, H, W) of variance one, kept (B,), the share of the signal in the variance.
        Source: Bayes' rule for x_t = √kept · x_0 + √(1 - kept) · noise; Karras et al. 2022, arXiv:2206.00364, eq. 57.
        """
        likeness = kept.sqrt()[:, None] * (noisy.flatten(1) @ self.pictures.T)
        length = kept[:, None] * self.pictures.square().sum(1) / 2
        return ((likeness - length) / (1 - kept)[:, None]).softmax(1)

    def clean(self, noisy: Tensor, kept: Tensor) -> Tensor:
        """The mean of what the picture may have been, like `noisy`.

        Source: Karras et al. 2022, arXiv:2206.00364, eq. 57.
        """
        return (self.weights(noisy, kept) @ self.pictures).view_as(noisy)

    def velocity(self, noisy: Tensor, kept: Tensor) -> Tensor:
        """What a v-predicting network without an error would say, like `noisy`.

        To learn from it instead of from the one picture that was noised is to learn without the noise of the draw.
        Source: Xu et al. 2023, arXiv:2302.00670, section 3; Salimans and Ho 2022, arXiv:2202.00512, appendix D.
        """
        factor = kept[:, None, None, None]
        clean = self.clean(noisy, kept)
        noise = (noisy - factor.sqrt() * clean) / (1 - factor).sqrt()
        velocity: Tensor = factor.sqrt() * noise - (1 - factor).sqrt() * clean
        return velocity


def ideal_of(latents: Tensor) -> Ideal:
    """Of latents (N, C, H, W)."""
    return Ideal(latents.float().flatten(1))


def noised(latents: Tensor, kept: Tensor, generator: torch.Generator) -> Tensor:
    """Latents of variance one with noise in them, of which `kept` (B,) of the variance is signal.

    Source: Ho et al. 2020, arXiv:2006.11239, equation 4.
    """
    factor = kept[:, None, None, None]
    noise = torch.randn(latents.shape, generator=generator)
    return factor.sqrt() * latents + (1 - factor).sqrt() * noise
