"""Noise levels: where a method calls the network, and what the network is told there.

A level is a pair of factors: latents there are alpha × clean + sigma × noise. Methods differ in the levels that they
walk along: alpha = 1 (`exploding`), alpha² + sigma² = 1 (`preserving`, `ddim`), or alpha + sigma = 1 (`flow`).
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from worker.trained_noise import DiffusionNoise, FlowNoise

Spacing = Literal["trained", "karras", "trailing"]
Array = npt.NDArray[np.floating]


class Level(NamedTuple):
    """A noise level; latents are divided by the root of `input_variance` before the network sees them.

    Shapes: () for one image, (n, 1, 1, 1) for several.
    """

    alpha: Tensor
    sigma: Tensor
    input_variance: Tensor


class Leg(NamedTuple):
    """What the network is told, where the latents are then, and where they go. Shapes: timestep ()."""

    timestep: Tensor
    here: Level
    there: Level


@dataclass(frozen=True, eq=False, slots=True)
class Course:
    """The way from noise to an image, a leg a step; the first latents are noise × `init_noise_sigma`."""

    legs: tuple[Leg, ...]
    init_noise_sigma: Tensor
    rounds_steps_up: bool = False

    def num_skipped(self, strength: float) -> int:
        """How many legs an image leaves out that is to change only so much; never all."""
        count = len(self.legs)
        kept = count * strength if self.rounds_steps_up else int(count * strength)
        return min(max(int(count - kept), 0), count - 1)


def noised(latents: Tensor, noise: Tensor, level: Level) -> Tensor:
    """Clean latents with noise up to a level.

    Shapes: latents, noise and result (n, C, H, W), the numbers of the level () or (n, 1, 1, 1).
    Source: Kingma et al. 2021, arXiv:2107.00630, equation 1; must equal `add_noise` and `scale_noise` of diffusers.
    """
    return level.alpha * latents + level.sigma * noise


def exploding(noise: DiffusionNoise, num_inference_steps: int, spacing: Spacing) -> Course:
    """The course of methods that keep the signal as it is and add noise to it.

    Source: must equal `set_timesteps` and `init_noise_sigma` of `EulerDiscreteScheduler`.
    """
    named = _named_spacing(noise, spacing, "linspace")
    timesteps = spaced_timesteps(noise, num_inference_steps, named).astype(np.float32)
    trained = noise.finite_sigmas.numpy()
    sigmas = np.interp(timesteps, np.arange(len(trained)), trained)
    if spacing == "karras" or noise.use_karras_sigmas:
        sigmas = karras_sigmas(sigmas[-1], sigmas[0], num_inference_steps)
        timesteps = _timesteps_of(sigmas, trained)
    levels = _with_zero(sigmas)
    largest = levels.max()
    init = largest if named in ("linspace", "trailing") else (largest**2 + 1) ** 0.5
    return _chained(timesteps, torch.ones_like(levels), levels, levels**2 + 1, init)


def preserving(noise: DiffusionNoise, num_inference_steps: int, spacing: Spacing) -> Course:
    """The course of methods that keep the variance of the latents at one.

    Source: must equal `set_timesteps` of `DPMSolverMultistepScheduler`.
    """
    trained = noise.finite_sigmas.numpy()
    if spacing == "karras" or noise.use_karras_sigmas:
        sigmas = karras_sigmas(trained[0].item(), trained[-1].item(), num_inference_steps)
        timesteps = _timesteps_of(sigmas, trained)
        timesteps = timesteps.round() if noise.whole_karras_timesteps else np.trunc(timesteps)
    else:
        timesteps = _timesteps_with_end(noise, num_inference_steps, _named_spacing(noise, spacing, "linspace"))
        sigmas = np.interp(timesteps, np.arange(len(trained)), trained)
    ratios = _with_zero(sigmas)
    alphas = 1 / ((ratios**2 + 1) ** 0.5)
    return _chained(timesteps, alphas, ratios * alphas, torch.ones_like(ratios), torch.tensor(1.0))


def ddim(noise: DiffusionNoise, num_inference_steps: int, spacing: Spacing) -> Course:
    """The course of DDIM, which steps back by T // N training steps wherever the next timestep lies.

    Source: must equal `set_timesteps` and the choice of `prev_timestep` in `DDIMScheduler`.
    """
    timesteps = spaced_timesteps(noise, num_inference_steps, _named_spacing(noise, spacing, "leading")).round()
    stride = noise.num_train_timesteps // num_inference_steps
    legs = [
        Leg(torch.tensor(float(timestep)), level_at(noise, timestep), level_at(noise, timestep - stride))
        for timestep in timesteps.astype(int).tolist()
    ]
    return Course(tuple(legs), torch.tensor(1.0))


def level_at(noise: DiffusionNoise, timestep: int) -> Level:
    """The level that a network was trained on, or for a timestep below 0 the one that stands for no noise."""
    clean = torch.tensor(1.0) if noise.set_alpha_to_one else noise.alphas_cumprod[0]
    kept = noise.alphas_cumprod[timestep] if timestep >= 0 else clean
    return Level(kept**0.5, (1 - kept) ** 0.5, torch.tensor(1.0))


def unipc(noise: DiffusionNoise, num_inference_steps: int, spacing: Spacing) -> Course:
    """As `preserving`, but that no timestep has a fraction.

    Source: must equal `set_timesteps` of `UniPCMultistepScheduler`.
    """
    return preserving(replace(noise, whole_karras_timesteps=True), num_inference_steps, spacing)


def flow(noise: FlowNoise, num_inference_steps: int, spacing: Spacing, image_seq_len: int) -> Course:
    """The course of networks that predict the velocity from clean latents to noise.

    Source: must equal `set_timesteps` of `FlowMatchEulerDiscreteScheduler`, called with the number of steps as
            `StableDiffusion3Pipeline` does, or for trailing spacing with sigmas = 1, 1 - 1/N, …, 1/N as `FluxPipeline`
            does.
    """
    sigmas = _shifted(_flow_sigmas(noise, num_inference_steps, spacing), noise, image_seq_len)
    if spacing == "karras" or noise.use_karras_sigmas:
        sigmas = karras_sigmas(sigmas[-1].item(), sigmas[0].item(), num_inference_steps)
    levels = _with_zero(sigmas)
    timesteps = (levels[:-1] * noise.num_train_timesteps).numpy()
    course = _chained(timesteps, 1 - levels, levels, torch.ones_like(levels), torch.tensor(1.0))
    return replace(course, rounds_steps_up=True)


def _flow_sigmas(noise: FlowNoise, count: int, spacing: Spacing) -> Array:
    if spacing == "trailing":
        return np.linspace(1.0, 1 / count, count).astype(np.float32)
    total = noise.num_train_timesteps
    ends = np.array([total, 1], dtype=np.float32) / np.float32(total)
    if noise.dynamic_shift is None:
        ends = _shifted(ends, noise, 0)
    sigmas: Array = np.linspace(ends[0].item() * total, ends[1].item() * total, count) / total
    return sigmas


def _shifted(sigmas: Array, noise: FlowNoise, image_seq_len: int) -> Array:
    """More noise for larger images.

    Source: Esser et al. 2024, arXiv:2403.03206, equation 23; must equal `time_shift` of
            `FlowMatchEulerDiscreteScheduler`.
    """
    shifted: Array
    if noise.dynamic_shift is None:
        shifted = noise.shift * sigmas / (1 + (noise.shift - 1) * sigmas)
    else:
        factor = noise.dynamic_shift.factor(image_seq_len)
        shifted = factor / (factor + (1 / sigmas - 1))
    return shifted


def spaced_timesteps(noise: DiffusionNoise, count: int, spacing: str) -> Array:
    """`count` training timesteps in falling order.

    Shapes: result (count,).
    Source: Lin et al. 2023, arXiv:2305.08891, Table 2.
    """
    total = noise.num_train_timesteps
    if spacing == "linspace":
        return np.linspace(0, total - 1, count)[::-1].copy()
    if spacing == "leading":
        return np.arange(count)[::-1] * float(total // count) + noise.steps_offset
    # For some counts rounding leaves arange one element too many; diffusers then takes one step more than asked.
    return np.round(np.arange(total, 0, -total / count))[:count] - 1


def karras_sigmas(smallest: float, largest: float, count: int) -> Array:
    """Levels that lie closer together where there is less noise, falling.

    Shapes: result (count,).
    Source: Karras et al. 2022, arXiv:2206.00364, equation 5, with rho = 7.
    """
    ends = largest ** (1 / 7), smallest ** (1 / 7)
    levels: Array = (ends[0] + np.linspace(0, 1, count) * (ends[1] - ends[0])) ** 7
    return levels


def _named_spacing(noise: DiffusionNoise, spacing: Spacing, usual: str) -> str:
    return "trailing" if spacing == "trailing" else noise.timestep_spacing or usual


def _timesteps_with_end(noise: DiffusionNoise, count: int, spacing: str) -> Array:
    if spacing == "trailing":
        return spaced_timesteps(noise, count, spacing)
    return spaced_timesteps(noise, count + 1, spacing).round()[:-1]


def _timesteps_of(sigmas: Array, trained: Array) -> Array:
    timesteps: Array = np.interp(np.log(sigmas), np.log(trained), np.arange(len(trained)))
    return timesteps


def _with_zero(sigmas: Array) -> Tensor:
    return torch.from_numpy(np.append(sigmas, 0.0).astype(np.float32))


def _chained(timesteps: Array, alphas: Tensor, sigmas: Tensor, input_variances: Tensor, init: Tensor) -> Course:
    told = torch.from_numpy(timesteps.astype(np.float32))
    levels = [Level(*factors) for factors in zip(alphas, sigmas, input_variances, strict=True)]
    return Course(tuple(Leg(*leg) for leg in zip(told, levels[:-1], levels[1:], strict=True)), init)
