"""This file knows how the classifier of finished pictures learns: a small ResNet, from rough and blurred renders.

It must not be the judge of `training.classifier`: it has another architecture, other pictures and another loss.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import ResNetConfig, ResNetForImageClassification

from training import checkpoints
from training.captions import Scene, Vocabulary, read_vocabulary, sample_scene
from training.checkpoints import Average, Budget, Training
from training.configuration import Configuration, PixelsClassifierConfig, Shares
from training.groups import GROUPS, accuracy, shares_of, thing_groups
from training.places import KINDS
from training.scenes import compose, to_tensor
from training.sprites import Drawings, thing_drawings
from worker.devices import has_fast_bf16

log = logging.getLogger(__name__)

CHECKPOINT = "pixels_classifier.pt"
SEED_OFFSET = 1000
"""Added to the configuration's seed: no draw is shared with the judge or the classifier of latents."""


@dataclass(frozen=True)
class Renders:
    """Real renders of scenes, with the shares of each group."""

    vocabulary: Vocabulary
    shares: Shares
    drawings: Drawings
    groups: Mapping[str, str]

    def scene(self, scene: Scene, rng: random.Random) -> Image.Image:
        """One scene on its colour."""
        sprites = self.drawings.of(scene.kind, scene.labels)
        return compose(KINDS[scene.kind], sprites, self.vocabulary.colours[scene.colour], rng)

    def draw(self, size: int, rng: random.Random) -> tuple[list[Image.Image], Tensor]:
        """Scenes as the model's own training drew them, and shares (size, groups)."""
        scenes = [sample_scene(self.vocabulary, self.shares, rng) for _ in range(size)]
        shares = torch.stack([shares_of(scene, self.groups) for scene in scenes])
        return [self.scene(scene, rng) for scene in scenes], shares


def renders_of(configuration: Configuration) -> Renders:
    """The renders to learn from."""
    vocabulary = read_vocabulary(configuration.vocabulary)
    drawings = thing_drawings(configuration, vocabulary)
    return Renders(vocabulary, configuration.scenes, drawings, thing_groups(configuration, vocabulary))


def rendered(renders: Renders, number: int, size: int, rng: random.Random) -> tuple[Tensor, Tensor]:
    """Scenes drawn once, to be roughened many times: pixels (number, 3, size, size) in -1 … 1, and their shares."""
    parts = []
    for start in range(0, number, 100):
        images, shares = renders.draw(min(100, number - start), rng)
        smaller = [image.resize((size, size), Image.Resampling.BILINEAR) for image in images]
        parts.append((to_tensor(smaller), shares))
    return torch.cat([pixels for pixels, _ in parts]), torch.cat([shares for _, shares in parts])


def roughened(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures moved, tinged, blurred and made noisy, as early estimates of a picture are: like pixels (B, 3, H, W)."""
    size = len(pixels)
    reach = pixels.shape[-1] // 16
    moved = torch.stack([_moved(one, reach, generator) for one in pixels])
    grey = moved.mean(1, keepdim=True)
    level = grey.mean((2, 3), keepdim=True)
    colour, contrast, spread = (torch.rand((size, 1, 1, 1), generator=generator) for _ in range(3))
    tinged = level + (0.6 + 0.7 * contrast) * (grey - level + (0.5 + 0.9 * colour) * (moved - grey))
    parts = tinged.split(max(1, size // 4))
    blurs = torch.rand(len(parts), generator=generator) ** 2 * 2.5
    soft = torch.cat([blurred(part, float(blur)) for part, blur in zip(parts, blurs, strict=True)])
    return soft + 0.2 * spread * torch.randn(soft.shape, generator=generator)


def _moved(picture: Tensor, reach: int, generator: torch.Generator) -> Tensor:
    top, left, mirrored = torch.randint(0, 2 * reach + 1, (3,), generator=generator).tolist()
    wide = functional.pad(picture[None], (reach,) * 4, mode="replicate")[0]
    height, width = picture.shape[1:]
    cut = wide[:, top : top + height, left : left + width]
    return cut.flip(2) if mirrored % 2 else cut


def blurred(pixels: Tensor, deviation: float) -> Tensor:
    """Pictures under a Gaussian of this many pixels."""
    if deviation < 0.1:
        return pixels
    reach = round(3 * deviation) + 1
    line = torch.exp(-torch.arange(-reach, reach + 1).square() / (2 * deviation**2))
    line = (line / line.sum()).expand(pixels.shape[1], 1, -1)
    wide = functional.pad(pixels, (reach,) * 4, mode="replicate")
    across = functional.conv2d(wide, line[:, :, None, :], groups=pixels.shape[1])
    return functional.conv2d(across, line[:, :, :, None], groups=pixels.shape[1])


def build_network(config: PixelsClassifierConfig) -> ResNetForImageClassification:
    """An untrained ResNet of the configured size, its labels in its configuration."""
    names = dict(enumerate(GROUPS))
    return ResNetForImageClassification(
        ResNetConfig(
            embedding_size=config.channels[0],
            hidden_sizes=config.channels,
            depths=config.depths,
            layer_type="basic",
            id2label=names,
            label2id={name: index for index, name in names.items()},
        )
    )


def train_step(
    training: Training, pixels: Tensor, shares: Tensor, config: PixelsClassifierConfig, progress: float
) -> float:
    """One optimizer step; returns the loss."""
    rate = config.learning_rate * min(1.0, (training.step + 1) / 100) * (1 - progress)
    training.optimizer.param_groups[0]["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16()):
        logits = training.network(pixels.contiguous(memory_format=torch.channels_last)).logits
        loss = functional.cross_entropy(logits.float(), shares, label_smoothing=0.05)
    training.optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(training.network.parameters(), 1.0)
    training.optimizer.step()
    training.step += 1
    training.average.update(training.network, training.step)
    return float(loss.detach())


def new_training(config: PixelsClassifierConfig, minutes: float, seed: int) -> Training:
    """A fresh start."""
    torch.manual_seed(seed)
    network = build_network(config).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    average, noise = Average(network, config.average_decay), torch.Generator().manual_seed(seed)
    return Training(network, optimizer, average, Budget(minutes * 60), random.Random(seed), noise)


def train(configuration: Configuration, renders: Renders, minutes: float) -> None:
    """Train, or go on from the last checkpoint, until the budget is spent."""
    config, path = configuration.pixels_classifier, configuration.work_folder / CHECKPOINT
    seed = configuration.seed + SEED_OFFSET
    pixels, shares = rendered(renders, config.num_renders, config.size, random.Random(seed))
    training = new_training(config, minutes, seed)
    log.info("resumed: %s", checkpoints.resume(training, path))
    loss = training.curve[-1][2] if training.curve else 2.0
    while (progress := training.budget.progress()) < 1.0:
        rows = torch.randint(0, len(pixels), (config.batch_size,), generator=training.noise)
        batch = roughened(pixels[rows], training.noise)
        loss += 0.02 * (train_step(training, batch, shares[rows], config, progress) - loss)
        if training.step % 50 == 0:
            spent = training.budget.spent_seconds
            training.curve.append((training.step * config.batch_size, spent, loss))
            log.info("step %d, %.1f min, loss %.4f", training.step, spent / 60, loss)
            checkpoints.save(training, path)
    checkpoints.save(training, path)


@torch.no_grad()
def accuracies(network: nn.Module, renders: Renders, size: int, seed: int, number: int = 400) -> dict[str, float]:
    """How often the first guess is a group of the scene, by blur in pixels; `seed` must not be the training's."""
    pixels, shares = rendered(renders, number, size, random.Random(seed))
    return {f"blur of {blur:g}": accuracy(network(blurred(pixels, blur)).logits, shares) for blur in (0.0, 1.0, 2.5)}
