"""This file knows how training looks at its own pictures: the shipped files, DDIM, classifier-free guidance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import AutoencoderDC, DDIMScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor

from training.configuration import Configuration
from training.scenes import to_images
from training.text_states import TextStates, load_text_states, text_encoder_folder


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
        states = torch.cat([self.text_states([""] * len(prompts)), self.text_states(prompts)])
        channels, size = self.unet.config.in_channels, self.unet.config.sample_size
        noises = [torch.randn(channels, size, size, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        latents = torch.stack(noises)
        self.scheduler.set_timesteps(steps)
        for timestep in self.scheduler.timesteps:
            doubled = torch.cat([latents, latents]).contiguous(memory_format=torch.channels_last)
            without, given = self.unet(doubled, timestep, encoder_hidden_states=states).sample.chunk(2)
            v_pred = without + guidance_scale * (given - without)
            latents = self.scheduler.step(v_pred, timestep, latents).prev_sample
        return latents

    @torch.no_grad()
    def decode(self, latents: Tensor) -> list[Image.Image]:
        """Pictures of latents."""
        return to_images(self.vae.decode(latents / self.vae.config.scaling_factor).sample)

    def draw(
        self, prompts: Sequence[str], seeds: Sequence[int], guidance_scale: float, steps: int, batch_size: int = 16
    ) -> list[Image.Image]:
        """One picture for each prompt."""
        images: list[Image.Image] = []
        for start in range(0, len(prompts), batch_size):
            part = slice(start, start + batch_size)
            images += self.decode(self.latents(prompts[part], seeds[part], guidance_scale, steps))
        return images


def load_painter(configuration: Configuration) -> Painter:
    """The exported model in single precision."""
    folder = configuration.model_folder
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
    vae = AutoencoderDC.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    return Painter(
        unet.eval().to(memory_format=torch.channels_last),
        vae.eval().to(memory_format=torch.channels_last),
        DDIMScheduler.from_pretrained(folder / "scheduler"),
        load_text_states(text_encoder_folder(configuration)),
    )
