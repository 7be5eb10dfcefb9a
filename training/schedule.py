"""This file knows the noise schedule that training and sampling share."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler
from torch import Tensor


def build_scheduler() -> DDIMScheduler:
    """v-prediction with zero terminal signal, read from the noisy end.

    Source: Lin et al. 2023, arXiv:2305.08891, sections 3.1 to 3.3.
    """
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def stratified_timesteps(batch_size: int, num_train_timesteps: int, generator: torch.Generator) -> Tensor:
    """One timestep from each of `batch_size` equal parts, in random order: (B,)."""
    parts = torch.randperm(batch_size, generator=generator) + torch.rand(batch_size, generator=generator)
    return (parts * num_train_timesteps / batch_size).long().clamp_max(num_train_timesteps - 1)
