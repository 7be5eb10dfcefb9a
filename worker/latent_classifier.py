"""The network that tells what noisy latents will become: how near they are to what things look like, and to nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """How large the network is: latents of `side` × `side`, compared in `rank` directions."""

    in_channels: int
    side: int
    rank: int
    num_things: int
    num_colours: int

    @property
    def num_directions(self) -> int:
        """All that there are."""
        return self.in_channels * self.side**2


class LatentClassifier(nn.Module):
    """The logits of things and of what is none of them, from latents of variance one and their signal-to-noise ratio.

    Clean latents of a thing on a plain colour are taken for Gaussian around a template, which shifts in proportion to
    the colour; those of none for one wide Gaussian. All templates lie in one subspace; what is outside of it tells by
    its variance alone. Then the classifier of *noisy* latents needs no learning: those of a Gaussian are Gaussian, the
    means √(share of signal) times as large, the variances mixed with that of the noise. Where no signal is left, every
    gradient is zero.

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, section 4.1 (what it is for); Tipping & Bishop 1999,
            doi:10.1162/089976699300016728, equations 5 and 22 (mixtures in a subspace); Kim et al. 2022,
            arXiv:2211.17091, section 3.2 (the model's own pictures as a label).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.mean = _weights(shape.num_directions)
        self.basis = _weights(shape.num_directions, shape.rank)
        self.templates = _weights(shape.num_things, 4, shape.rank)
        self.colours = _weights(shape.num_colours, 3)
        self.spread = _weights(shape.rank)
        self.none_mean = _weights(1, shape.rank)
        self.none_spread = _weights(shape.rank)
        self.outside_spread = _weights(2)
        self.thing_priors = _weights(shape.num_things)
        self.colour_priors = _weights(shape.num_colours)
        self.none_prior = _weights(1)

    def forward(self, latents: Tensor, log_snr: Tensor) -> Tensor:
        """Shapes: latents (B, C, H, W), log_snr (B,), result (B, things + 1), the last for none of them."""
        latents, kept = _at_size(latents, torch.sigmoid(log_snr)[:, None], self.shape.side)
        centred = latents.flatten(1) - kept.sqrt() * self.mean
        inside = centred @ self.basis
        outside = (centred.square().sum(1, keepdim=True) - inside.square().sum(1, keepdim=True)).clamp_min(0)
        number = self.shape.num_directions - self.shape.rank
        of_thing, of_none = (_log_spread(outside, kept, spread, number) for spread in self.outside_spread)
        none = _log_gaussians(inside, kept, self.none_mean, self.none_spread) + of_none + self.none_prior
        return torch.cat([self._log_things(inside, kept) + of_thing, none], dim=1)

    def _log_things(self, inside: Tensor, kept: Tensor) -> Tensor:
        shifts = torch.einsum("ci,tir->tcr", self.colours, self.templates[:, 1:])
        middles = self.templates[:, :1] + shifts
        found = _log_gaussians(inside, kept, middles.flatten(0, 1), self.spread)
        over_colours: Tensor = (found.unflatten(1, middles.shape[:2]) + self.colour_priors).logsumexp(2)
        return over_colours + self.thing_priors


def _log_gaussians(inside: Tensor, kept: Tensor, middles: Tensor, spread: Tensor) -> Tensor:
    """Logarithms of densities, over that of noise alone, so that all are zero where there is nothing else.

    Shapes: inside (B, R), kept (B, 1), middles (N, R), spread (R,), their variances; result (B, N).
    """
    variance = 1 + kept * (spread - 1)
    near = kept.sqrt() * ((inside / variance) @ middles.T) - kept / 2 * ((1 / variance) @ middles.square().T)
    return near + _log_spread(inside.square(), kept, spread).sum(1, keepdim=True)


def _log_spread(squares: Tensor, kept: Tensor, spread: Tensor, number: int = 1) -> Tensor:
    """The same of so many numbers around zero, from the sum of their squares. Shapes: like squares."""
    variance = 1 + kept * (spread - 1)
    return -(squares * kept * (1 - spread) / variance + number * variance.log()) / 2


def _at_size(latents: Tensor, kept: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Latents at the size that was learnt, again of variance one, and their share of signal.

    A mean over several latents has the less noise for it. Shapes: latents (B, C, H, W), kept (B, 1); results likewise.
    """
    height, width = latents.shape[2:]
    if (height, width) == (side, side):
        return latents, kept
    if min(height, width) < side:
        latents = functional.interpolate(latents, (max(height, side), max(width, side)))
    noise = (1 - kept) / max(1.0, height * width / side**2)
    variance = kept + noise
    return functional.adaptive_avg_pool2d(latents, side) / variance.sqrt()[:, :, None, None], kept / variance


def _weights(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))
