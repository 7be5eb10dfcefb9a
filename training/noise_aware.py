"""This file knows how the classifier of noisy latents learns: its pictures, its noise and its loss."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import AutoencoderDC
from torch import Tensor, nn
from torch.nn import functional

from training import checkpoints
from training.captions import Vocabulary, read_vocabulary, sample_scene
from training.checkpoints import Average, Budget, Training
from training.configuration import Configuration, LatentsClassifierConfig, Shares
from training.groups import GROUPS, accuracy, group_rows, shares_of, thing_groups
from training.latents import Key, Library, encode_keys, library_of, load_library, save_library
from training.schedule import build_scheduler, stratified_timesteps
from training.sprites import thing_sprites
from worker.devices import has_fast_bf16
from worker.latent_classifier import LatentClassifier, Shape

log = logging.getLogger(__name__)

CHECKPOINT = "latents_classifier.pt"
ASKED_AT = (50, 250, 500, 750, 900)
"""Training timesteps at which accuracy is measured."""


@dataclass(frozen=True)
class Noisy:
    """Latents of variance one (B, C, H, W) with the logarithm of signal over noise (B,), and shares of groups."""

    latents: Tensor
    log_snr: Tensor
    shares: Tensor


@dataclass(frozen=True)
class Scenes:
    """Clean latents of scenes as the model's own training drew them, with the shares of each group."""

    vocabulary: Vocabulary
    shares: Shares
    library: Library
    groups: Mapping[str, str]

    def batch(self, size: int, rng: random.Random) -> tuple[Tensor, Tensor]:
        """Latents (B, C, 16, 16) and shares of groups (B, groups)."""
        scenes = [sample_scene(self.vocabulary, self.shares, rng) for _ in range(size)]
        latents = torch.stack([self.library.scene(scene, rng) for scene in scenes])
        return latents, torch.stack([shares_of(scene, self.groups) for scene in scenes])


def with_noise(latents: Tensor, shares: Tensor, timesteps: Tensor, generator: torch.Generator) -> Noisy:
    """What the latents are after so many training steps of the model.

    Source: Ho et al. 2020, arXiv:2006.11239, equation 4; Kingma et al. 2021, arXiv:2107.00630, equation 2 (log SNR).
    """
    kept = build_scheduler().alphas_cumprod[timesteps]
    noise = torch.randn(latents.shape, generator=generator)
    factor = kept[:, None, None, None]
    return Noisy(factor.sqrt() * latents + (1 - factor).sqrt() * noise, (kept / (1 - kept)).log(), shares)


def library_keys(vocabulary: Vocabulary) -> list[Key]:
    """What is encoded: every thing alone, on white three times, and beside or above another on every colour."""
    keys: list[Key] = []
    for label, thing in vocabulary.things.items():
        for colour in vocabulary.colours:
            keys += [(label, "single", colour)] * (3 if colour == "white" else 1)
            keys += [(label, kind, colour) for kind in ("beside", "stacked") if thing.tint is None]
    return keys


def shipped_autoencoder(configuration: Configuration) -> AutoencoderDC:
    """The autoencoder that the model is shipped with."""
    network = AutoencoderDC.from_pretrained(configuration.model_folder / "vae", torch_dtype=torch.float32)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def shipped_library(configuration: Configuration, vocabulary: Vocabulary) -> Library:
    """Latents by the autoencoder that the model is shipped with, kept in the work folder."""
    path = configuration.work_folder / "classifier_library.pt"
    if not path.exists():
        network = shipped_autoencoder(configuration)
        keys, sprites = library_keys(vocabulary), thing_sprites(configuration, vocabulary)
        latents = encode_keys(network, sprites, vocabulary, keys, configuration.seed)
        save_library(library_of(latents, keys, network.config.scaling_factor), path)
    return load_library(path)


def scenes_of(configuration: Configuration) -> Scenes:
    """The scenes to learn from; three of a kind are left out."""
    vocabulary = read_vocabulary(configuration.vocabulary)
    library = shipped_library(configuration, vocabulary)
    return Scenes(
        vocabulary, replace(configuration.scenes, three=0.0), library, thing_groups(configuration, vocabulary)
    )


def held_out(configuration: Configuration, scenes: Scenes, seed: int = 1) -> Library:
    """Renders that training did not see, encoded anew: every thing once, alone, on a colour of the draw."""
    rng, labels, colours = random.Random(seed), list(scenes.vocabulary.things), list(scenes.vocabulary.colours)
    keys = [(label, "single", rng.choice(colours)) for label in labels]
    network = shipped_autoencoder(configuration)
    sprites = thing_sprites(configuration, scenes.vocabulary)
    latents = encode_keys(network, sprites, scenes.vocabulary, keys, configuration.seed + seed)
    return library_of(latents, keys, network.config.scaling_factor)


def shape_of(config: LatentsClassifierConfig, in_channels: int) -> Shape:
    """The configured size."""
    return Shape(in_channels, tuple(config.channels), config.embedding_channels, len(GROUPS))


def loss_of(network: nn.Module, batch: Noisy) -> Tensor:
    """Cross-entropy to the shares of groups.

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, section 4.1 (training on the noise of the diffusion model).
    """
    return functional.cross_entropy(network(batch.latents, batch.log_snr).float(), batch.shares)


def train_step(training: Training, batch: Noisy, config: LatentsClassifierConfig, progress: float) -> float:
    """One optimizer step; returns the loss."""
    rate = config.learning_rate * min(1.0, (training.step + 1) / 100) * (1 - progress)
    training.optimizer.param_groups[0]["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16()):
        loss = loss_of(training.network, batch)
    training.optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(training.network.parameters(), 1.0)
    training.optimizer.step()
    training.step += 1
    training.average.update(training.network, training.step)
    return float(loss.detach())


def new_training(config: LatentsClassifierConfig, in_channels: int, minutes: float, seed: int) -> Training:
    """A fresh start."""
    torch.manual_seed(seed)
    network = LatentClassifier(shape_of(config, in_channels))
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    average, noise = Average(network, config.average_decay), torch.Generator().manual_seed(seed)
    return Training(network, optimizer, average, Budget(minutes * 60), random.Random(seed), noise)


def noisy_batch(scenes: Scenes, size: int, rng: random.Random, generator: torch.Generator) -> Noisy:
    """Scenes at noise levels spread over the whole range."""
    latents, shares = scenes.batch(size, rng)
    return with_noise(latents, shares, stratified_timesteps(size, 1000, generator), generator)


def run(training: Training, draw: Callable[[], Noisy], config: LatentsClassifierConfig, path: Path) -> None:
    """Train until the budget is spent, saving every minute."""
    loss = training.curve[-1][2] if training.curve else 2.0
    saved = training.budget.spent_seconds
    while (progress := training.budget.progress()) < 1.0:
        loss += 0.02 * (train_step(training, draw(), config, progress) - loss)
        if training.step % 50 == 0:
            spent = training.budget.spent_seconds
            training.curve.append((training.step * config.batch_size, spent, loss))
            log.info("step %d, %.1f min, loss %.4f", training.step, spent / 60, loss)
        if training.budget.spent_seconds - saved > 60:
            saved = training.budget.spent_seconds
            checkpoints.save(training, path)
    checkpoints.save(training, path)


def train(configuration: Configuration, scenes: Scenes, minutes: float) -> None:
    """Train, or go on from the last checkpoint."""
    config, path = configuration.latents_classifier, configuration.work_folder / CHECKPOINT
    training = new_training(config, scenes.library.latents.shape[1], minutes, configuration.seed)
    log.info("resumed: %s", checkpoints.resume(training, path))
    run(training, lambda: noisy_batch(scenes, config.batch_size, training.rng, training.noise), config, path)


@torch.no_grad()
def accuracies(network: nn.Module, library: Library, groups: Mapping[str, str], seed: int) -> dict[str, float]:
    """How often the first guess is the group of a picture, by training timestep; `seed` must not be the training's."""
    latents = library.latents.float()
    labels = {row: key[0] for key, found in library.rows.items() for row in found}
    shares = functional.one_hot(group_rows([groups[labels[row]] for row in sorted(labels)]), len(GROUPS)).float()
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for timestep in ASKED_AT:
        batch = with_noise(latents, shares, torch.full((len(latents),), timestep), generator)
        found[f"timestep {timestep}"] = accuracy(network(batch.latents, batch.log_snr), shares)
    return found
