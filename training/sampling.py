"""This file knows how training looks at its own pictures: the shipped files, DDIM, classifier-free guidance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderDC, DDIMScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor

from training.configuration import Configuration
from training.scenes import to_images
from training.text_states import TextStates, load_text_states, text_encoder_folder
from worker.devices import has_fast_bf16


@dataclass(frozen=True)
class Painter:
    """The exported model, ready to draw."""

    unet: UNet2DConditionModel
    vae: AutoencoderDC
    scheduler: DDIMScheduler
    text_states: TextStates

    @torch.no_grad()
    def latents(self, prompts: Sequence[str], seeds: Sequence[int], guidance_scale: float, steps: int) -> Tensor:
        """Clean latents (B, C, H, W), one for each prompt; row i depends on prompt i and seed i only.

        Source: Song et al. 2020, arXiv:2010.02502, eq. 12 with eta 0; Ho and Salimans 2022, arXiv:2207.12598, eq. 6.
        """
        states = torch.cat([self.text_states([""] * len(prompts)), self.text_states(prompts)]).to(self.unet.dtype)
        channels, size = self.unet.config.in_channels, self.unet.config.sample_size
        noises = [torch.randn(channels, size, size, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        latents = torch.stack(noises)
        self.scheduler.set_timesteps(steps)
        for timestep in self.scheduler.timesteps:
            doubled = torch.cat([latents, latents]).to(self.unet.dtype).contiguous(memory_format=torch.channels_last)
            without, given = self.unet(doubled, timestep, encoder_hidden_states=states).sample.float().chunk(2)
            v_pred = without + guidance_scale * (given - without)
            latents = self.scheduler.step(v_pred, timestep, latents).prev_sample
        return latents

    @torch.no_grad()
    def decode(self, latents: Tensor) -> list[Image.Image]:
        """Pictures of latents."""
        scaled = (latents / self.vae.config.scaling_factor).to(self.vae.dtype)
        return to_images(self.vae.decode(scaled).sample.float())

    @torch.no_grad()
    def round_trip(self, pixels: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in -1 … 1, encoded and decoded."""
        latents = self.vae.encode(pixels.to(self.vae.dtype).contiguous(memory_format=torch.channels_last)).latent
        made: Tensor = self.vae.decode(latents).sample.float().contiguous()
        return made

    def draw(
        self, prompts: Sequence[str], seeds: Sequence[int], guidance_scale: float, steps: int, batch_size: int = 16
    ) -> list[Image.Image]:
        """One picture for each prompt."""
        images: list[Image.Image] = []
        for start in range(0, len(prompts), batch_size):
            part = slice(start, start + batch_size)
            images += self.decode(self.latents(prompts[part], seeds[part], guidance_scale, steps))
        return images


def load_painter(configuration: Configuration, folder: Path) -> Painter:
    """An exported model in the number format that this CPU is served in."""
    dtype = torch.bfloat16 if has_fast_bf16() else torch.float32
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype)
    vae = AutoencoderDC.from_pretrained(folder / "vae", torch_dtype=dtype)
    return Painter(
        unet.eval().to(memory_format=torch.channels_last),
        vae.eval().to(memory_format=torch.channels_last),
        DDIMScheduler.from_pretrained(folder / "scheduler"),
        load_text_states(text_encoder_folder(configuration)),
    )
