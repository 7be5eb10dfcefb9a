"""The network that tells what noisy latents will become: convolutions that are told how much noise there is."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

MOST_LOG_SNR = 12.0
"""Logarithms of signal over noise beyond ± this are told to the network as if they were this."""

NUM_FREQUENCIES = 16
NUM_GROUPS = 8


@dataclass(frozen=True)
class Shape:
    """How large the network is: `channels` has one entry a resolution, each half of the one before."""

    in_channels: int
    channels: tuple[int, ...]
    embedding_channels: int
    num_labels: int


class Residual(nn.Module):
    """Two convolutions around a shift and a scale by noise level, added to what came in.

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, section 3.1 (adaptive group normalization).
    """

    def __init__(self, channels: int, embedding_channels: int) -> None:
        super().__init__()
        self.first_norm = nn.GroupNorm(NUM_GROUPS, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(embedding_channels, 2 * channels)
        self.second_norm = nn.GroupNorm(NUM_GROUPS, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        """Shapes: hidden and result (B, channels, H, W), embedding (B, D)."""
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        between = self.first(functional.silu(self.first_norm(hidden)))
        between = self.second_norm(between) * (1 + scale) + shift
        result: Tensor = hidden + self.second(functional.silu(between))
        return result


class LatentClassifier(nn.Module):
    """The logits of every label, from latents of variance one and the logarithm of their signal-to-noise ratio.

    Logits are offset + α · (what the convolutions say), α the share of signal in the latents: where no signal is left,
    every gradient is zero, as that of the true p(y | x_t) is, which is α/σ² times a difference of two estimates of x_0.
    Any height and width will do: the mean over space is all that the last layer sees.

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, section 4.1, with the noise level of Kingma et al. 2021,
            arXiv:2107.00630, section 3.1, so that it is the same for every scheduler.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        first, width = shape.channels[0], shape.embedding_channels
        self.embed = nn.Sequential(nn.Linear(2 * NUM_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.enter = nn.Conv2d(shape.in_channels, first, 3, padding=1)
        self.blocks = nn.ModuleList(Residual(channels, width) for channels in shape.channels)
        pairs = zip(shape.channels, shape.channels[1:], strict=False)
        self.halvings = nn.ModuleList(nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairs)
        self.norm = nn.GroupNorm(NUM_GROUPS, shape.channels[-1])
        self.head = nn.Linear(shape.channels[-1], shape.num_labels, bias=False)
        self.offset = nn.Parameter(torch.zeros(shape.num_labels))

    def forward(self, latents: Tensor, log_snr: Tensor) -> Tensor:
        """Shapes: latents (B, C, H, W), log_snr (B,), result (B, labels)."""
        embedding = self.embed(noise_features(log_snr))
        hidden = self.enter(latents)
        for index, block in enumerate(self.blocks):
            hidden = block(self.halvings[index - 1](hidden) if index else hidden, embedding)
        pooled = functional.silu(self.norm(hidden)).mean((2, 3))
        signal = torch.sigmoid(log_snr).sqrt()[:, None]
        logits: Tensor = self.offset + signal * self.head(pooled)
        return logits


def noise_features(log_snr: Tensor) -> Tensor:
    """Sines and cosines of a noise level, the slowest with half a period over the whole range: (B, 2 · frequencies)."""
    kept = log_snr.clamp(-MOST_LOG_SNR, MOST_LOG_SNR)[:, None]
    steps = torch.linspace(0, 1, NUM_FREQUENCIES, device=log_snr.device)
    angles = kept * (math.pi / (2 * MOST_LOG_SNR)) * 24**steps
    return torch.cat([angles.sin(), angles.cos()], dim=1)
