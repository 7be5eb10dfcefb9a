"""Noise schedules equal those of diffusers, for every way of making betas and every number of steps."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
    TCDScheduler,
    UniPCMultistepScheduler,
)
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from contract.errors import ModelUnavailable, UnsupportedScheduler
from contract.request import Scheduler
from worker.consistency import lcm_course, tcd_course
from worker.samplers import SAMPLERS
from worker.sigmas import Course, Spacing, ddim, exploding, flow, preserving, unipc
from worker.trained_noise import DiffusionNoise, FlowNoise, TrainedNoise, read_trained_noise

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers on NumPy 2

CONFIGS: dict[str, dict[str, Any]] = {
    "linear": {"beta_schedule": "linear"},
    "scaled_linear": {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
    "given": {"trained_betas": [0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.21, 0.34], "num_train_timesteps": 8},
    "zero_snr": {"beta_schedule": "scaled_linear", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
    "linspace": {"beta_schedule": "scaled_linear", "timestep_spacing": "linspace"},
    "leading": {"beta_schedule": "scaled_linear", "timestep_spacing": "leading", "steps_offset": 1},
    "karras": {"beta_schedule": "scaled_linear", "use_karras_sigmas": True},
}


def diffusion_noise(config: dict[str, Any]) -> DiffusionNoise:
    noise = read_trained_noise(config)
    assert isinstance(noise, DiffusionNoise)
    return noise


def timesteps_of(course: Course) -> torch.Tensor:
    return torch.stack([leg.timestep for leg in course.legs])


def sigmas_of(course: Course) -> torch.Tensor:
    return torch.stack([*(leg.here.sigma for leg in course.legs), course.legs[-1].there.sigma])


@pytest.mark.parametrize("spacing", ["trained", "karras", "trailing"])
@pytest.mark.parametrize("count", [1, 2, 7, 8])
@pytest.mark.parametrize("name", CONFIGS)
def test_exploding_equals_euler(name: str, count: int, spacing: Spacing) -> None:
    theirs = EulerDiscreteScheduler.from_config(CONFIGS[name], **changes_for(spacing))
    theirs.set_timesteps(count)
    ours = exploding(diffusion_noise(CONFIGS[name]), count, spacing)
    assert torch.equal(sigmas_of(ours), theirs.sigmas)
    torch.testing.assert_close(timesteps_of(ours), theirs.timesteps, rtol=1e-6, atol=0)
    assert torch.equal(ours.init_noise_sigma, torch.as_tensor(theirs.init_noise_sigma))


@pytest.mark.parametrize("spacing", ["trained", "karras", "trailing"])
@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("name", CONFIGS)
def test_preserving_equals_dpm_solver(name: str, count: int, spacing: Spacing) -> None:
    theirs = DPMSolverMultistepScheduler.from_config(CONFIGS[name], **changes_for(spacing))
    theirs.set_timesteps(count)
    ours = preserving(diffusion_noise(CONFIGS[name]), count, spacing)
    ratios = torch.stack([one.here.sigma / one.here.alpha for one in ours.legs])
    torch.testing.assert_close(ratios, theirs.sigmas[:-1], rtol=1e-6, atol=0)
    assert torch.equal(timesteps_of(ours).long(), theirs.timesteps)


@pytest.mark.parametrize("spacing", ["trained", "trailing"])
@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("name", CONFIGS)
def test_ddim_equals_ddim(name: str, count: int, spacing: Spacing) -> None:
    theirs = DDIMScheduler.from_config(CONFIGS[name], **changes_for(spacing))
    theirs.set_timesteps(count)
    ours = ddim(diffusion_noise(CONFIGS[name]), count, spacing)
    assert torch.equal(timesteps_of(ours).long(), theirs.timesteps)
    kept = torch.stack([one.here.alpha for one in ours.legs])
    assert torch.equal(kept, theirs.alphas_cumprod[theirs.timesteps] ** 0.5)


def changes_for(spacing: Spacing) -> dict[str, Any]:
    return {"trained": {}, "karras": {"use_karras_sigmas": True}, "trailing": {"timestep_spacing": "trailing"}}[spacing]


@pytest.mark.parametrize("count", range(1, 151))
def test_as_many_steps_as_asked(count: int) -> None:
    """With trailing spacing and 61, 103, 121 or 122 steps, diffusers' own schedulers take one more, at timestep -1."""
    noise = diffusion_noise(CONFIGS["zero_snr"])
    for sampler in SAMPLERS.values():
        if sampler.course is None or (sampler.course in (lcm_course, tcd_course) and count > 50):
            continue
        course = sampler.course_for(noise, count, 1024)
        assert len(course.legs) == count
        assert timesteps_of(course).min() >= 0


@pytest.mark.parametrize("spacing", ["trained", "karras", "trailing"])
@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("name", CONFIGS)
def test_unipc_equals_unipc(name: str, count: int, spacing: Spacing) -> None:
    theirs = UniPCMultistepScheduler.from_config(CONFIGS[name], **changes_for(spacing))
    theirs.set_timesteps(count)
    ours = unipc(diffusion_noise(CONFIGS[name]), count, spacing)
    ratios = torch.stack([one.here.sigma / one.here.alpha for one in ours.legs])
    torch.testing.assert_close(ratios, theirs.sigmas[:-1], rtol=1e-6, atol=0)
    assert torch.equal(timesteps_of(ours).long(), theirs.timesteps)


@pytest.mark.parametrize(("course", "theirs"), [(lcm_course, LCMScheduler), (tcd_course, TCDScheduler)])
@pytest.mark.parametrize("count", [1, 2, 7, 50])
@pytest.mark.parametrize("original", [50, 100])
def test_distilled_timesteps_equal_theirs(course: Any, theirs: Any, count: int, original: int) -> None:
    config = CONFIGS["scaled_linear"] | {"original_inference_steps": original}
    scheduler = theirs.from_config(config)
    scheduler.set_timesteps(count)
    assert torch.equal(timesteps_of(course(diffusion_noise(config), count, "trained")).long(), scheduler.timesteps)


@pytest.mark.parametrize("scheduler", [LCMScheduler, TCDScheduler])
def test_an_empty_configuration_means_what_it_means_to_its_scheduler(scheduler: Any) -> None:
    noise = diffusion_noise({"_class_name": scheduler.__name__})
    assert torch.equal(noise.alphas_cumprod, scheduler().alphas_cumprod)


FLOWS: dict[str, dict[str, Any]] = {
    "plain": {},
    "shifted": {"shift": 3.0},
    "unevenly": {"shift": 1.15},
    "karras": {"use_karras_sigmas": True},
    "flux": {"shift": 3.0, "use_dynamic_shifting": True},
    "linear": {"use_dynamic_shifting": True, "time_shift_type": "linear", "base_shift": 0.7, "max_shift": 2.0},
    "longer": {"use_dynamic_shifting": True, "base_image_seq_len": 64, "max_image_seq_len": 8192},
}


@pytest.mark.parametrize("image_seq_len", [256, 1024, 4096])
@pytest.mark.parametrize("count", [1, 2, 7, 28])
@pytest.mark.parametrize("spacing", ["trained", "karras", "trailing"])
@pytest.mark.parametrize("name", FLOWS)
def test_flow_equals_flow_match_euler(name: str, spacing: Spacing, count: int, image_seq_len: int) -> None:
    theirs = flow_match_euler(FLOWS[name], spacing, count, image_seq_len)
    ours = flow(flow_noise(**FLOWS[name]), count, spacing, image_seq_len)
    assert torch.equal(sigmas_of(ours), theirs.sigmas)
    assert torch.equal(timesteps_of(ours), theirs.timesteps)


def flow_match_euler(config: dict[str, Any], spacing: Spacing, count: int, image_seq_len: int) -> Any:
    """Their scheduler as their pipelines call it: Flux's for trailing spacing, Stable Diffusion 3's for others."""
    changes = {"use_karras_sigmas": True} if spacing == "karras" else {}
    theirs = FlowMatchEulerDiscreteScheduler.from_config(config, **changes)
    lengths, shifts = ("base_image_seq_len", "max_image_seq_len"), ("base_shift", "max_shift")
    mu = calculate_shift(image_seq_len, *(theirs.config[entry] for entry in lengths + shifts))
    if spacing == "trailing":
        theirs.set_timesteps(sigmas=np.linspace(1.0, 1 / count, count), mu=mu)
    else:
        theirs.set_timesteps(count, mu=mu if theirs.config.use_dynamic_shifting else None)
    return theirs


def flow_noise(**config: Any) -> FlowNoise:
    noise: TrainedNoise = read_trained_noise({"_class_name": "FlowMatchEulerDiscreteScheduler"} | config)
    assert isinstance(noise, FlowNoise)
    return noise


@pytest.mark.parametrize("scheduler", ["euler_ancestral", "euler_ancestral_trailing", "unipc", "lcm", "tcd"])
def test_not_every_scheduler_fits_flow(scheduler: Scheduler) -> None:
    with pytest.raises(UnsupportedScheduler):
        SAMPLERS[scheduler].schedule_for(flow_noise(), 4, 1024)


@pytest.mark.parametrize("scheduler", ["flow_match_euler", "flow_match_euler_trailing"])
def test_flow_matching_fits_nothing_but_flow(scheduler: Scheduler) -> None:
    with pytest.raises(UnsupportedScheduler):
        SAMPLERS[scheduler].schedule_for(diffusion_noise(CONFIGS["linear"]), 4, 1024)


@pytest.mark.parametrize(
    "config",
    [
        {"prediction_type": "sample"},
        {"beta_schedule": "sigmoid"},
        {"use_beta_sigmas": True},
        {"final_sigmas_type": "sigma_min"},
        {"timestep_spacing": "sideways"},
        {"_class_name": "EDMEulerScheduler"},
        {"_class_name": "UniPCMultistepScheduler", "use_dynamic_shifting": True},
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "time_shift_type": "square"},
        {"_class_name": "LCMScheduler", "timestep_scaling": 1.0},
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift_terminal": 0.02},
    ],
)
def test_a_configuration_that_would_be_misread_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ModelUnavailable):
        read_trained_noise(config)
