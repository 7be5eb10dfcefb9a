"""diffusers' own pipelines and schedulers, as counterparts of ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LCMScheduler,
    TCDScheduler,
    UniPCMultistepScheduler,
)

from contract.request import SCHEDULERS, Scheduler
from worker.stepwise_pipeline import StepwisePipeline
from worker.trained_noise import SMALLEST_ALPHA_CUMPROD, DiffusionNoise

MAKERS: dict[str, Callable[..., Any]] = {
    "euler": EulerDiscreteScheduler.from_config,
    "euler_ancestral": EulerAncestralDiscreteScheduler.from_config,
    "ddim": DDIMScheduler.from_config,
    "heun": HeunDiscreteScheduler.from_config,
    "dpmpp_2m": DPMSolverMultistepScheduler.from_config,
    "dpmpp_2m_sde": partial(DPMSolverMultistepScheduler.from_config, algorithm_type="sde-dpmsolver++"),
    "unipc": UniPCMultistepScheduler.from_config,
    "lcm": LCMScheduler.from_config,
    "tcd": TCDScheduler.from_config,
}
SPACINGS: dict[str, dict[str, Any]] = {
    "karras": {"use_karras_sigmas": True},
    "trailing": {"timestep_spacing": "trailing"},
}
DIFFUSION = [name for name in SCHEDULERS if not name.startswith("flow_match")]


def diffusers_scheduler(name: Scheduler, config: Any, pipeline: StepwisePipeline) -> Any:
    """diffusers' counterpart of one of our names, made from a model's configuration."""
    method, _, spacing = name.rpartition("_")
    if spacing not in SPACINGS:
        method, spacing = name, ""
    scheduler = MAKERS[method](config, **SPACINGS.get(spacing, {}))
    if method == "heun":
        # Alone among them, HeunDiscreteScheduler ignores `rescale_betas_zero_snr`; we heed it.
        scheduler.alphas_cumprod = trained_alphas_cumprod(pipeline)
    return scheduler


def trained_alphas_cumprod(pipeline: StepwisePipeline) -> torch.Tensor:
    noise = pipeline.trained_noise
    assert isinstance(noise, DiffusionNoise)
    return noise.alphas_cumprod.clamp(min=SMALLEST_ALPHA_CUMPROD)


def oracle(pipeline_class: Any, folder: Path) -> Any:
    pipeline = pipeline_class.from_pretrained(folder, low_cpu_mem_usage=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@contextmanager
def replaced_scheduler(theirs: Any, scheduler: Any) -> Iterator[None]:
    usual, theirs.scheduler = theirs.scheduler, scheduler
    yield
    theirs.scheduler = usual


def diffusers_latents(theirs: Any, ours: StepwisePipeline, num_inference_steps: int, **changes: Any) -> torch.Tensor:
    """What a pipeline of diffusers makes of the request that `engines.asked` makes, before it is decoded."""
    theirs.set_progress_bar_config(disable=True)
    with replaced_scheduler(theirs, diffusers_scheduler("euler", theirs.scheduler.config, ours)):
        latents: torch.Tensor = theirs(
            "a red apple",
            num_inference_steps=num_inference_steps,
            guidance_scale=4.0,
            height=64,
            width=64,
            generator=torch.Generator().manual_seed(7),
            output_type="latent",
            **changes,
        ).images
    return latents
