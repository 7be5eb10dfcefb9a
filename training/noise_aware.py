"""This file knows how the classifier of noisy latents learns: its pictures, its noise and its loss.

It tells things, and NOTHING: what the model draws from the empty prompt. A group is as likely as its things together.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import AutoencoderDC
from torch import Tensor, nn
from torch.nn import functional

from training import checkpoints
from training.captions import Scene, Vocabulary, read_vocabulary, sample_scene
from training.checkpoints import Average, Budget, Training
from training.configuration import Configuration, LatentsClassifierConfig, Shares
from training.groups import GROUPS, group_rows, thing_groups
from training.latents import Key, Library, encode_keys, library_of, load_library, save_library
from training.schedule import build_scheduler, stratified_timesteps
from training.sprites import thing_sprites
from training.unconditional import unconditional_latents
from worker.devices import has_fast_bf16
from worker.latent_classifier import LatentClassifier, Shape

log = logging.getLogger(__name__)

CHECKPOINT = "latents_classifier.pt"
NOTHING = "nothing known"
"""The label of what the model draws when nothing is asked of it.

With it the gradient of a label's probability leads away from the unconditional model, not from other labels only.
Source: Kim et al. 2022, arXiv:2211.17091, section 3.2 (a discriminator of the model's own samples corrects its score).
"""

ASKED_AT = (50, 250, 500, 750, 900)
"""Training timesteps at which accuracy is measured."""


@dataclass(frozen=True)
class Noisy:
    """Latents of variance one (B, C, H, W) with the logarithm of signal over noise (B,), and shares (B, labels)."""

    latents: Tensor
    log_snr: Tensor
    shares: Tensor


@dataclass(frozen=True)
class Scenes:
    """Clean latents of scenes as the model's own training drew them, and of what the model draws from the empty prompt.

    Shapes: drawn (N, C, 16, 16).
    """

    vocabulary: Vocabulary
    shares: Shares
    library: Library
    groups: Mapping[str, str]
    drawn: Tensor

    @property
    def labels(self) -> list[str]:
        """What the network tells apart: the things in their own colours, and NOTHING."""
        return [*self.vocabulary.plain, NOTHING]

    def batch(self, size: int, rng: random.Random) -> tuple[Tensor, Tensor]:
        """Latents (B, C, 16, 16) and shares of labels (B, labels); every third row is NOTHING."""
        scenes = [sample_scene(self.vocabulary, self.shares, rng) for _ in range(size - size // 3)]
        real = torch.stack([self.library.scene(scene, rng) for scene in scenes])
        drawn = self.drawn[[rng.randrange(len(self.drawn)) for _ in range(size // 3)]]
        shares = torch.stack([self.shares_of(scene) for scene in scenes] + [self.nothing] * (size // 3))
        return torch.cat([real, drawn.float()]), shares

    @property
    def nothing(self) -> Tensor:
        """All of NOTHING, (labels,)."""
        return functional.one_hot(torch.tensor(len(self.labels) - 1), len(self.labels)).float()

    def shares_of(self, scene: Scene) -> Tensor:
        """How much of a scene is of each label, (labels,): a fox beside a pizza is half of each."""
        shares = torch.zeros(len(self.labels))
        for label in scene.labels:
            shares[self.labels.index(self.vocabulary.things[label].picture)] += 1 / len(scene.labels)
        return shares


def group_members(labels: Sequence[str], groups: Mapping[str, str]) -> dict[str, list[int]]:
    """The rows of each group's things."""
    return {group: [row for row, label in enumerate(labels) if groups.get(label) == group] for group in GROUPS}


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
    groups, shares = thing_groups(configuration, vocabulary), replace(configuration.scenes, three=0.0)
    drawn = unconditional_latents(configuration, configuration.latents_classifier.num_drawn)
    return Scenes(vocabulary, shares, library, groups, drawn)


def held_out(configuration: Configuration, scenes: Scenes, seed: int = 1) -> Library:
    """Renders that training did not see, encoded anew: every thing once, alone, on a colour of the draw."""
    rng, labels, colours = random.Random(seed), list(scenes.vocabulary.things), list(scenes.vocabulary.colours)
    keys = [(label, "single", rng.choice(colours)) for label in labels]
    network = shipped_autoencoder(configuration)
    sprites = thing_sprites(configuration, scenes.vocabulary)
    latents = encode_keys(network, sprites, scenes.vocabulary, keys, configuration.seed + seed)
    return library_of(latents, keys, network.config.scaling_factor)


def shape_of(config: LatentsClassifierConfig, in_channels: int, num_labels: int) -> Shape:
    """The configured size."""
    return Shape(in_channels, tuple(config.channels), config.embedding_channels, num_labels)


def loss_of(network: nn.Module, batch: Noisy) -> Tensor:
    """Cross-entropy to the shares of labels.

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


def new_training(config: LatentsClassifierConfig, shape: Shape, minutes: float, seed: int) -> Training:
    """A fresh start."""
    torch.manual_seed(seed)
    network = LatentClassifier(shape)
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
    shape = shape_of(config, scenes.library.latents.shape[1], len(scenes.labels))
    training = new_training(config, shape, minutes, configuration.seed)
    log.info("resumed: %s", checkpoints.resume(training, path))
    run(training, lambda: noisy_batch(scenes, config.batch_size, training.rng, training.noise), config, path)


@torch.no_grad()
def accuracies(network: nn.Module, library: Library, scenes: Scenes, seed: int) -> dict[str, float]:
    """How often the likeliest group is a picture's, by training timestep; `seed` must not be the training's."""
    latents, members = library.latents.float(), group_members(scenes.labels, scenes.groups)
    labels = {row: key[0] for key, found in library.rows.items() for row in found}
    wanted = group_rows([scenes.groups[labels[row]] for row in sorted(labels)])
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for timestep in ASKED_AT:
        batch = with_noise(latents, wanted, torch.full((len(latents),), timestep), generator)
        logits = network(batch.latents, batch.log_snr)
        likely = torch.stack([logits[:, members[group]].logsumexp(1) for group in GROUPS], dim=1).argmax(1)
        found[f"timestep {timestep}"] = float((likely == wanted).float().mean())
    return found
