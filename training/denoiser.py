"""This file knows how the U-Net learns to denoise: its batches, its loss and its schedule."""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from training import checkpoints
from training.captions import Vocabulary, caption, read_vocabulary, sample_scene
from training.checkpoints import Average, Budget, Training
from training.configuration import Configuration, DenoiserConfig, Shares, read_configuration
from training.latents import Library, load_library
from training.schedule import build_scheduler
from training.text_states import TextStates, load_text_states, text_encoder_folder
from worker.devices import has_fast_bf16
from worker.fine_tuning.draws import stratified_timesteps

AVERAGE_EVERY = 4
"""Steps between two updates of the moving average: one costs as much as a twentieth of a step."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """Clean latents (B, C, H, W) and the states of their captions (B, L, D)."""

    latents: Tensor
    states: Tensor


class Source(Protocol):
    """Where batches come from."""

    def batch(self, size: int, rng: random.Random) -> Batch:
        """Draw pictures and their captions, some of them dropped."""
        ...


@dataclass(frozen=True)
class Scenes:
    """Composed scenes of sprites."""

    vocabulary: Vocabulary
    shares: Shares
    library: Library
    text_states: TextStates
    caption_dropout: float

    def batch(self, size: int, rng: random.Random) -> Batch:
        """Draw scenes, their latents and their captions, some of them dropped."""
        scenes = [sample_scene(self.vocabulary, self.shares, rng) for _ in range(size)]
        captions = [
            "" if rng.random() < self.caption_dropout else caption(scene, self.vocabulary, rng) for scene in scenes
        ]
        latents = torch.stack([self.library.scene(scene, rng) for scene in scenes])
        return Batch(latents, self.text_states(captions))


def build_unet(config: DenoiserConfig, latent_channels: int, sample_size: int, width: int) -> UNet2DConditionModel:
    """An untrained U-Net of the configured size, attending to states of `width`.

    Cross-attention tells the lower levels which word belongs where; the pooled caption, added to the time embedding,
    tells every level what the picture is about. A small model learns names from the second much sooner.
    """
    down = ["CrossAttnDownBlock2D" if crossed else "DownBlock2D" for crossed in config.cross_attention]
    up = ["CrossAttnUpBlock2D" if crossed else "UpBlock2D" for crossed in reversed(config.cross_attention)]
    return UNet2DConditionModel(
        sample_size=sample_size,
        in_channels=latent_channels,
        out_channels=latent_channels,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        block_out_channels=tuple(config.channels),
        layers_per_block=config.layers_per_block,
        cross_attention_dim=width,
        attention_head_dim=tuple(config.num_heads),
        addition_embed_type="text",
        addition_embed_type_num_heads=max(1, width // 64),
    )


def shipped_unet(folder: Path) -> UNet2DConditionModel:
    """A U-Net as a model is shipped with it."""
    return UNet2DConditionModel.from_pretrained(folder, torch_dtype=torch.float32).train()


def velocity_loss(unet: nn.Module, scheduler: DDIMScheduler, batch: Batch, generator: torch.Generator) -> Tensor:
    """Mean squared error of the predicted velocity at random timesteps.

    Source: Salimans and Ho 2022, arXiv:2202.00512, appendix D.
    """
    size = len(batch.latents)
    timesteps = stratified_timesteps(size, scheduler.config.num_train_timesteps, generator)
    noise = torch.randn(batch.latents.shape, generator=generator)
    noisy = scheduler.add_noise(batch.latents, noise, timesteps)
    wanted = scheduler.get_velocity(batch.latents, noise, timesteps)
    noisy = noisy.contiguous(memory_format=torch.channels_last)
    v_pred = unet(noisy, timesteps, encoder_hidden_states=batch.states).sample
    return functional.mse_loss(v_pred.float(), wanted)


def learning_rate(config: DenoiserConfig, step: int, progress: float) -> float:
    """Rises over 100 steps, holds for half of the budget, then falls to zero in a straight line."""
    return config.learning_rate * min(1.0, (step + 1) / 100) * min(1.0, 2.0 * (1.0 - progress))


def train_step(
    training: Training, scheduler: DDIMScheduler, batch: Batch, config: DenoiserConfig, progress: float
) -> float:
    """One optimizer step; returns the loss."""
    training.optimizer.param_groups[0]["lr"] = learning_rate(config, training.step, progress)
    with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16()):
        loss = velocity_loss(training.network, scheduler, batch, training.noise)
    training.optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(training.network.parameters(), 1.0)
    training.optimizer.step()
    training.step += 1
    if training.step % AVERAGE_EVERY == 0:
        training.average.update(training.network, training.step)
    return float(loss.detach())


def new_training(unet: UNet2DConditionModel, config: DenoiserConfig, minutes: float, seed: int) -> Training:
    """A fresh start."""
    unet = unet.to(memory_format=torch.channels_last)
    weights = unet.parameters()
    optimizer = torch.optim.AdamW(weights, config.learning_rate, betas=(0.9, 0.99), weight_decay=1e-2, fused=True)
    noise = torch.Generator().manual_seed(seed)
    average = Average(unet, config.average_decay)
    return Training(unet, optimizer, average, Budget(minutes * 60), random.Random(seed), noise)


def run(
    training: Training, source: Source, config: DenoiserConfig, save: Callable[[], None], save_seconds: float = 120.0
) -> None:
    """Train until the budget is spent."""
    scheduler = build_scheduler()
    loss = training.curve[-1][2] if training.curve else 1.0
    saved = training.budget.spent_seconds
    while (progress := training.budget.progress()) < 1.0:
        batch = source.batch(config.batch_size, training.rng)
        rate = 0.02 if training.step > 50 else 0.2
        loss += rate * (train_step(training, scheduler, batch, config, progress) - loss)
        if training.step % 25 == 0:
            seen, spent = training.step * config.batch_size, training.budget.spent_seconds
            training.curve.append((seen, spent, loss))
            log.info("step %d, %d samples, %.1f min, loss %.4f", training.step, seen, spent / 60, loss)
        if training.budget.spent_seconds - saved > save_seconds:
            saved = training.budget.spent_seconds
            save()
    save()


def train(configuration: Configuration, minutes: float, start: Path | None) -> None:
    """Train, or go on from the last checkpoint; `start` is a shipped U-Net to begin from."""
    config, path = configuration.denoiser, configuration.work_folder / "denoiser.pt"
    text_states = load_text_states(text_encoder_folder(configuration))
    library = load_library(configuration.work_folder / "library.pt")
    vocabulary = read_vocabulary(configuration.vocabulary)
    source = Scenes(vocabulary, configuration.scenes, library, text_states, config.caption_dropout)
    torch.manual_seed(configuration.seed)
    channels, size = library.latents.shape[1], library.latents.shape[2]
    unet = build_unet(config, channels, size, 384) if start is None else shipped_unet(start)
    training = new_training(unet, config, minutes, configuration.seed)
    log.info("resumed: %s", checkpoints.resume(training, path))
    run(training, source, config, lambda: checkpoints.save(training, path))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the U-Net on composed latents; resumes from its checkpoint.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=None, help="wall-clock budget in all, not the configured one")
    parser.add_argument("--start", type=Path, default=None, help="a shipped U-Net to begin from")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    configuration = read_configuration(arguments.config)
    torch.set_num_threads(configuration.num_threads)
    torch.set_flush_denormal(True)
    train(configuration, arguments.minutes or configuration.denoiser.minutes, arguments.start)


if __name__ == "__main__":
    main()
