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
)

from contract.errors import ModelUnavailable, UnsupportedScheduler
from worker.consistency import lcm_course, tcd_course
from worker.samplers import SAMPLERS
from worker.sigmas import Course, Spacing, ddim, exploding, flow, preserving
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
        schedule = sampler.schedule_for(noise, count, 1024)
        assert schedule.evaluations[-1].step == count
        assert min(evaluation.timestep for evaluation in schedule.evaluations) >= 0


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("spacing", ["trained", "karras", "trailing"])
def test_flow_equals_flow_match_euler(shift: float, spacing: Spacing) -> None:
    theirs = FlowMatchEulerDiscreteScheduler(shift=shift, use_karras_sigmas=spacing == "karras")
    if spacing == "trailing":
        theirs.set_timesteps(sigmas=np.linspace(1, 1 / 7, 7))
    else:
        theirs.set_timesteps(7)
    ours = flow(flow_noise(shift), 7, spacing, 1024)
    torch.testing.assert_close(sigmas_of(ours), theirs.sigmas, rtol=3e-7, atol=0)
    torch.testing.assert_close(timesteps_of(ours), theirs.timesteps, rtol=3e-7, atol=0)


def flow_noise(shift: float) -> FlowNoise:
    noise: TrainedNoise = read_trained_noise({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": shift})
    assert isinstance(noise, FlowNoise)
    return noise


def test_flow_has_no_ancestral_sampling() -> None:
    with pytest.raises(UnsupportedScheduler):
        SAMPLERS["euler_ancestral"].schedule_for(flow_noise(1.0), 4, 1024)


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
