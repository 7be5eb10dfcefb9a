"""This file knows what the shipped model draws when nothing is asked of it: pictures of nothing that is known."""

from __future__ import annotations

import logging

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from training.configuration import Configuration
from training.text_states import load_text_states, text_encoder_folder
from worker.devices import has_fast_bf16

log = logging.getLogger(__name__)


@torch.no_grad()
def draw_latents(unet: UNet2DConditionModel, scheduler: DDIMScheduler, states: Tensor, latents: Tensor) -> Tensor:
    """Clean latents from noise, all under the same states. Shapes: states (1, L, D), latents and result (B, C, H, W).

    Source: Song et al. 2020, arXiv:2010.02502, equation 12 with eta 0.
    """
    several = states.expand(len(latents), -1, -1)
    for timestep in scheduler.timesteps:
        v_pred = unet(latents.to(unet.dtype), timestep, encoder_hidden_states=several.to(unet.dtype)).sample
        latents = scheduler.step(v_pred.float(), timestep, latents).prev_sample
    return latents


def unconditional_latents(configuration: Configuration, number: int, batch_size: int = 16) -> Tensor:
    """What the model draws from the empty prompt, (number, C, 16, 16), kept in the work folder."""
    path = configuration.work_folder / "unconditional.pt"
    if not path.exists():
        torch.save(_drawn(configuration, number, batch_size).half(), path)
    drawn: Tensor = torch.load(path, weights_only=True)
    return drawn


def _drawn(configuration: Configuration, number: int, batch_size: int) -> Tensor:
    folder = configuration.model_folder
    dtype = torch.bfloat16 if has_fast_bf16() else torch.float32
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype).eval()
    scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
    scheduler.set_timesteps(configuration.default_num_inference_steps)
    states = load_text_states(text_encoder_folder(configuration))([""])
    generator = torch.Generator().manual_seed(configuration.seed)
    channels, size = unet.config.in_channels, unet.config.sample_size
    parts = []
    for start in range(0, number, batch_size):
        noise = torch.randn(min(batch_size, number - start), channels, size, size, generator=generator)
        parts.append(draw_latents(unet, scheduler, states, noise))
        log.info("drew %d of %d", start + batch_size, number)
    return torch.cat(parts)
