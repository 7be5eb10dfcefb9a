"""This file knows how the autoencoder learns: its pictures, its loss and its schedule."""

from __future__ import annotations

import argparse
import logging
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderDC
from torch import Tensor, nn
from torch.nn import functional

from training import checkpoints
from training.captions import read_vocabulary
from training.checkpoints import Average, Budget, Training
from training.configuration import AutoencoderConfig, Configuration, read_configuration
from training.places import KINDS
from training.scenes import compose, to_tensor
from training.sprites import Sprite, all_sprites, is_held_out, thing_drawings
from worker.devices import has_fast_bf16

log = logging.getLogger(__name__)


def build_autoencoder(config: AutoencoderConfig, scaling_factor: float = 1.0) -> AutoencoderDC:
    """An untrained autoencoder of the configured size, convolutions only."""
    channels = tuple(config.channels)
    none = tuple(() for _ in channels)
    return AutoencoderDC(
        latent_channels=config.latent_channels,
        encoder_block_out_channels=channels,
        decoder_block_out_channels=channels,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_layers_per_block=tuple(config.encoder_layers),
        decoder_layers_per_block=tuple(config.decoder_layers),
        encoder_qkv_multiscales=none,
        decoder_qkv_multiscales=none,
        downsample_block_type="Conv",
        upsample_block_type="Conv",
        scaling_factor=scaling_factor,
    )


def random_scene_batch(sprites: Sequence[Sprite], size: int, rng: random.Random) -> Tensor:
    """Random sprites in random arrangements on random plain colours, (B, 3, 128, 128)."""
    images = []
    for _ in range(size):
        spots = KINDS["single" if rng.random() < 0.6 else rng.choice(list(KINDS))]
        white = rng.random() < 0.4
        red, green, blue = (255 if white else rng.randint(0, 255) for _ in range(3))
        images.append(compose(spots, [rng.choice(sprites) for _ in spots], (red, green, blue), rng))
    return to_tensor(images)


def _edges(pixels: Tensor) -> tuple[Tensor, Tensor]:
    return pixels[..., 1:, :] - pixels[..., :-1, :], pixels[..., :, 1:] - pixels[..., :, :-1]


def reconstruction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Absolute error of pixels, of neighbour differences and of 4x4 means."""
    edges = sum(functional.l1_loss(a, b) for a, b in zip(_edges(made), _edges(wanted), strict=True))
    coarse = functional.l1_loss(functional.avg_pool2d(made, 4), functional.avg_pool2d(wanted, 4))
    return functional.l1_loss(made, wanted) + 0.5 * edges + 0.5 * coarse


def spread_penalty(latents: Tensor) -> Tensor:
    """Keeps every latent channel near mean 0 and standard deviation 1, as one `scaling_factor` must serve them all."""
    mean = latents.mean(dim=(0, 2, 3))
    log_std = latents.std(dim=(0, 2, 3)).clamp_min(1e-4).log()
    return mean.square().mean() + log_std.square().mean()


def train_step(training: Training, pixels: Tensor, config: AutoencoderConfig, progress: float) -> float:
    """One optimizer step; returns the mean absolute error."""
    network: AutoencoderDC = training.network
    rate = config.learning_rate * min(1.0, (training.step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * progress))
    training.optimizer.param_groups[0]["lr"] = rate
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16()):
        latents = network.encode(pixels).latent.float()
        noise = torch.randn(latents.shape, generator=training.noise) * config.latent_noise
        made = network.decode(latents + noise).sample.float()
    loss = reconstruction_loss(made, pixels) + config.spread_weight * spread_penalty(latents)
    training.optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    training.optimizer.step()
    training.step += 1
    training.average.update(network, training.step)
    return float((made.detach() - pixels).abs().mean())


def decoder_only(folder: Path) -> AutoencoderDC:
    """A shipped autoencoder of which the decoder learns on: latents stay what they were, and what was made of them."""
    network = AutoencoderDC.from_pretrained(folder, torch_dtype=torch.float32).train()
    network.encoder.requires_grad_(False)
    return network


def new_training(config: AutoencoderConfig, minutes: float, seed: int, start: Path | None = None) -> Training:
    """A fresh start, or one from a shipped autoencoder's folder."""
    torch.manual_seed(seed)
    network = build_autoencoder(config) if start is None else decoder_only(start)
    network = network.to(memory_format=torch.channels_last)
    learning = [weights for weights in network.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=1e-3)
    noise = torch.Generator().manual_seed(seed)
    return Training(network, optimizer, Average(network, 0.99), Budget(minutes * 60), random.Random(seed), noise)


def training_sprites(configuration: Configuration) -> list[Sprite]:
    """Every emoji that is not held out, and the things of the vocabulary three times more and once flat."""
    vocabulary = read_vocabulary(configuration.vocabulary)
    things = thing_drawings(configuration, vocabulary)
    others = [sprite for sprite in all_sprites(configuration) if sprite.label not in things.usual]
    seen = [sprite for sprite in others if not is_held_out(sprite.label)]
    return seen + 3 * list(things.usual.values()) + list(things.flat.values())


def run(training: Training, draw: Callable[[], Tensor], config: AutoencoderConfig, path: Path) -> None:
    """Train on what is drawn until the budget is spent, or go on from the last checkpoint; saves every minute."""
    log.info("resumed: %s", checkpoints.resume(training, path))
    error, saved = 0.5, training.budget.spent_seconds
    while (progress := training.budget.progress()) < 1.0:
        error += 0.02 * (train_step(training, draw(), config, progress) - error)
        if training.step % 40 == 0:
            training.curve.append((training.step * config.batch_size, training.budget.spent_seconds, error))
            log.info("step %d, %.1f min, error %.4f", training.step, training.budget.spent_seconds / 60, error)
        if training.budget.spent_seconds - saved > 60:
            saved = training.budget.spent_seconds
            checkpoints.save(training, path)
    checkpoints.save(training, path)


def train(configuration: Configuration, minutes: float, start: Path | None) -> None:
    """Train on composed sprites."""
    config = configuration.autoencoder
    sprites = training_sprites(configuration)
    training = new_training(config, minutes, configuration.seed, start)
    log.info("%d sprites", len(sprites))

    def draw() -> Tensor:
        return random_scene_batch(sprites, config.batch_size, training.rng)

    run(training, draw, config, configuration.work_folder / "autoencoder.pt")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the autoencoder on composed sprites.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=None, help="wall-clock budget, instead of the configured one")
    parser.add_argument("--start", type=Path, default=None, help="a shipped autoencoder whose decoder learns on")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    configuration = read_configuration(arguments.config)
    torch.set_num_threads(configuration.num_threads)
    torch.set_flush_denormal(True)
    train(configuration, arguments.minutes or configuration.autoencoder.minutes, arguments.start)


if __name__ == "__main__":
    main()
