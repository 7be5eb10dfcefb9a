"""This file knows which scenes show one group of things only, each group as often as the others."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from training.captions import Scene, sample_scene
from training.configuration import Configuration
from training.groups import GROUPS, is_pure
from training.latents import shipped_autoencoder
from training.picture_classifier import Renders, renders_of
from training.scenes import to_tensor

log = logging.getLogger(__name__)

SEED_OFFSET = 2000
"""Added to the configuration's seed: no scene is drawn from the seeds of another training or of a benchmark."""


def wanted(index: int) -> str:
    """The group that scene `index` is to show."""
    return GROUPS[index % len(GROUPS)]


def pure_scenes(renders: Renders, number: int, seed: int) -> Iterator[Scene]:
    """Scenes as the model's training drew them, of those that show one group only; scene i is of group i mod 8."""
    rng = random.Random(seed)
    for index in range(number):
        while not is_pure(
            scene := sample_scene(renders.vocabulary, renders.shares, rng), renders.groups, wanted(index)
        ):
            pass
        yield scene


@dataclass(frozen=True)
class Encoded:
    """Pure scenes as latents (N, C, 16, 16) of deviation one, and how much of each is of each thing, (N, things)."""

    latents: Tensor
    shares: Tensor


def encoded_scenes(configuration: Configuration, number: int) -> Encoded:
    """So many pure scenes by the shipped autoencoder, kept in the work folder."""
    path = configuration.work_folder / f"pure_scenes_{number}.pt"
    if not path.exists():
        latents, shares = _encoded(configuration, number)
        torch.save({"latents": latents.half(), "shares": shares.half()}, path)
    table = torch.load(path, weights_only=True)
    return Encoded(table["latents"], table["shares"])


@torch.no_grad()
def _encoded(configuration: Configuration, number: int, batch_size: int = 32) -> tuple[Tensor, Tensor]:
    renders, seed = renders_of(configuration), configuration.seed + SEED_OFFSET
    network = shipped_autoencoder(configuration)
    rng, latents, shares = random.Random(seed), [], []
    scenes = list(pure_scenes(renders, number, seed))
    for start in range(0, number, batch_size):
        few = scenes[start : start + batch_size]
        pixels = to_tensor([renders.scene(scene, rng) for scene in few]).contiguous(memory_format=torch.channels_last)
        latents.append(network.encode(pixels).latent.contiguous() * network.config.scaling_factor)
        shares += [renders.things_of(scene) for scene in few]
        if start % (50 * batch_size) == 0:
            log.info("encoded %d of %d", start, number)
    return torch.cat(latents), torch.stack(shares)
