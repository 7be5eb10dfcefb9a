"""This file knows how the U-Net learns to draw without a prompt: by an adapter, from what the best one would say."""

from __future__ import annotations

import argparse
import logging
import random
import time
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from training import checkpoints
from training.checkpoints import Average, Budget, Training
from training.configuration import Configuration, UnpromptedConfig, read_configuration
from training.ideal import Ideal, ideal_of, noised
from training.products import Products
from training.pure_scenes import encoded_scenes
from training.schedule import build_scheduler, stratified_timesteps
from training.text_states import load_text_states, text_encoder_folder
from worker.devices import has_fast_bf16

log = logging.getLogger(__name__)

CHECKPOINT = "unprompted.pt"

DECIDING, SHARE_DECIDING = (400, 880), 0.85
"""Timesteps at which the model is much worse from the empty prompt than from a caption, and how often they come.

Its squared error is 0.60 to 0.23 at 700, and 0.17 to 0.14 at 200.
"""


@dataclass(frozen=True)
class Lesson:
    """Pictures (N, C, H, W), what the best network would say of them, and the states of the empty prompt (1, L, D)."""

    latents: Tensor
    ideal: Ideal
    states: Tensor


def lesson_of(configuration: Configuration) -> Lesson:
    """Scenes of one group each, by the shipped autoencoder."""
    latents = encoded_scenes(configuration, configuration.unprompted.num_scenes).latents.float()
    states = load_text_states(text_encoder_folder(configuration))([""])
    return Lesson(latents, ideal_of(latents), states)


def shipped_unet(configuration: Configuration) -> UNet2DConditionModel:
    """The U-Net as it is served: as it was trained, its numbers of 16 bit where the CPU multiplies those."""
    dtype = torch.bfloat16 if has_fast_bf16() else torch.float32
    unet = UNet2DConditionModel.from_pretrained(configuration.model_folder / "unet", torch_dtype=dtype)
    return unet.requires_grad_(False).to(memory_format=torch.channels_last)


def timesteps_of(number: int, generator: torch.Generator) -> Tensor:
    """Timesteps of which most are among those at which it is decided what a picture shows, (number,)."""
    first, end = DECIDING
    anywhere = stratified_timesteps(number, 1000, generator)
    deciding = first + stratified_timesteps(number, 1000, generator) * (end - first) // 1000
    return torch.where(torch.rand(number, generator=generator) < SHARE_DECIDING, deciding, anywhere)


def loss_of(unet: nn.Module, lesson: Lesson, rows: Tensor, generator: torch.Generator) -> Tensor:
    """Mean squared distance from the velocity that the best network would predict, at random timesteps."""
    timesteps = timesteps_of(len(rows), generator)
    kept = build_scheduler().alphas_cumprod[timesteps]
    noisy = noised(lesson.latents[rows], kept, generator)
    dtype = next(unet.parameters()).dtype
    seen = noisy.to(dtype).contiguous(memory_format=torch.channels_last)
    states = lesson.states.to(dtype).expand(len(rows), -1, -1)
    v_pred = unet(seen, timesteps, encoder_hidden_states=states).sample
    return functional.mse_loss(v_pred.float(), lesson.ideal.velocity(noisy, kept))


def new_training(unet: nn.Module, config: UnpromptedConfig, minutes: float, seed: int) -> Training:
    """A fresh start."""
    torch.manual_seed(seed)
    products = Products(unet, config.ranks)
    optimizer = torch.optim.AdamW(products.parameters(), config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    average, budget = Average(products, config.average_decay), Budget(minutes * 60, clock=time.process_time)
    return Training(products, optimizer, average, budget, random.Random(seed), torch.Generator().manual_seed(seed))


def train_step(training: Training, unet: nn.Module, lesson: Lesson, config: UnpromptedConfig, progress: float) -> float:
    """One optimizer step; returns the loss. The learning rate rises over 50 steps, and falls over the second half."""
    rate = config.learning_rate * min(1.0, (training.step + 1) / 50) * min(1.0, 2 - 2 * progress)
    training.optimizer.param_groups[0]["lr"] = rate
    rows = torch.tensor([training.rng.randrange(len(lesson.latents)) for _ in range(config.batch_size)])
    loss = loss_of(unet, lesson, rows, training.noise)
    training.optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(training.network.parameters(), 1.0)
    training.optimizer.step()
    training.step += 1
    training.average.update(training.network, training.step)
    return float(loss.detach())


def run(training: Training, unet: nn.Module, lesson: Lesson, config: UnpromptedConfig, path: Path) -> None:
    """Train until the budget is spent, saving every two minutes."""
    loss = training.curve[-1][2] if training.curve else 0.1
    saved = training.budget.spent_seconds
    while (progress := training.budget.progress()) < 1.0:
        loss += 0.03 * (train_step(training, unet, lesson, config, progress) - loss)
        spent = training.budget.spent_seconds
        if training.step % 25 == 0:
            training.curve.append((training.step * config.batch_size, spent, loss))
            log.info("%d samples, %.1f min, loss %.4f", training.step * config.batch_size, spent / 60, loss)
        if spent - saved > 120:
            saved = spent
            checkpoints.save(training, path)
    checkpoints.save(training, path)


def train(configuration: Configuration, minutes: float) -> dict[str, Tensor]:
    """Train, or go on from the last checkpoint; returns the averaged products as they are shipped."""
    config, path = configuration.unprompted, configuration.work_folder / CHECKPOINT
    lesson, unet = lesson_of(configuration), shipped_unet(configuration)
    training = new_training(unet, config, minutes, configuration.seed)
    log.info("resumed: %s", checkpoints.resume(training, path))
    log.info("%d weights", sum(factor.numel() for factor in training.network.parameters()))
    run(training, unet, lesson, config, path)
    assert isinstance(training.network, Products)
    return training.network.file(training.average.weights)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the LoRA that draws without a prompt; resumes.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=None, help="of CPU time in all, not those configured")
    parser.add_argument("--threads", type=int, default=None, help="CPU cores, not those configured")
    parser.add_argument("--out", type=Path, default=Path("models/adapters/unprompted/pytorch_lora_weights.safetensors"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    configuration = read_configuration(arguments.config)
    torch.set_num_threads(arguments.threads or configuration.num_threads)
    torch.set_flush_denormal(True)
    trained = train(configuration, arguments.minutes or configuration.unprompted.minutes)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(trained, arguments.out, {"format": "pt"})


if __name__ == "__main__":
    main()
