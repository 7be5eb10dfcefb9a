"""This file knows the noise schedule that training and sampling share."""

from __future__ import annotations

from diffusers import DDIMScheduler


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
