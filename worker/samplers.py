"""The sampling methods: each a pure function that takes latents from one noise level to the next."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from contract.errors import UnsupportedScheduler
from contract.request import Scheduler
from worker import sigmas
from worker.sigmas import Level, Schedule, Spacing
from worker.trained_noise import DiffusionNoise, FlowNoise, TrainedNoise


class Slope(NamedTuple):
    """What Heun's method keeps of its first half: where it started, the slope there, and how far it goes."""

    latents: Tensor
    derivative: Tensor
    distance: Tensor


class Estimate(NamedTuple):
    """What a multistep method keeps of its last step."""

    denoised: Tensor
    level: Level


Memory = Slope | Estimate | None


class Point(NamedTuple):
    """All that a step depends on; `noise` is there for methods that add some.

    Shapes: latents, denoised and noise (1, C, H, W).
    """

    latents: Tensor
    denoised: Tensor
    here: Level
    there: Level
    memory: Memory = None
    noise: Tensor | None = None


class Moved(NamedTuple):
    """What a step results in: latents (1, C, H, W) at the next level, and what the next step must know."""

    latents: Tensor
    memory: Memory = None


def euler(point: Point) -> Moved:
    """One step along the slope at its start, where alpha = 1 or alpha = 1 - sigma.

    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 1 without lines 6 to 8.
    """
    derivative = (point.latents - point.denoised) / point.here.sigma
    return Moved(point.latents + derivative * (point.there.sigma - point.here.sigma))


def euler_ancestral(point: Point) -> Moved:
    """One step along the slope, further than asked, and noise that leads back up; only where alpha = 1.

    Source: Song et al. 2020, arXiv:2011.13456, appendix F (ancestral sampling of VE), with Euler's step below it.
    """
    here, there = point.here.sigma, point.there.sigma
    up = (there**2 * (here**2 - there**2) / here**2) ** 0.5
    down = (there**2 - up**2) ** 0.5
    derivative = (point.latents - point.denoised) / here
    latents = point.latents + derivative * (down - here)
    return Moved(latents if point.noise is None else latents + point.noise * up)


def heun(point: Point) -> Moved:
    """One half of a step along the mean of the slopes at its ends: first the try, then the correction.

    State:  the correction reads the `Slope` that the try left.
    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 1 with gamma = 0.
    """
    derivative = (point.latents - point.denoised) / point.here.sigma
    if isinstance(point.memory, Slope):
        start, first, distance = point.memory
        return Moved(start + (first + derivative) / 2 * distance)
    distance = point.there.sigma - point.here.sigma
    return Moved(point.latents + derivative * distance, Slope(point.latents, derivative, distance))


def ddim(point: Point) -> Moved:
    """One step that keeps both estimates, of the clean latents and of the noise.

    Source: Song et al. 2020, arXiv:2010.02502, equation 12 with sigma_t = 0.
    """
    noise = (point.latents - point.here.alpha * point.denoised) / point.here.sigma
    return Moved(point.there.alpha * point.denoised + point.there.sigma * noise)


def dpmpp_2m(point: Point) -> Moved:
    """One step of DPM-Solver++(2M): second order from the previous estimate, but first order at both ends.

    State:  reads and leaves an `Estimate`.
    Source: Lu et al. 2022, arXiv:2211.01095, Algorithm 2.
    """
    here, there = point.here, point.there
    length = _log_snr(there) - _log_snr(here)
    weight = there.alpha * (torch.exp(-length) - 1.0)
    latents = (there.sigma / here.sigma) * point.latents - weight * point.denoised
    if isinstance(point.memory, Estimate) and there.sigma > 0:
        previous, level = point.memory
        ratio = (_log_snr(here) - _log_snr(level)) / length
        latents = latents - 0.5 * weight * ((1.0 / ratio) * (point.denoised - previous))
    return Moved(latents, Estimate(point.denoised, here))


def _log_snr(level: Level) -> Tensor:
    return torch.log(level.alpha) - torch.log(level.sigma)


class Sampler(NamedTuple):
    """A method with its noise schedule; see the fields' types for what they do."""

    step: Callable[[Point], Moved]
    schedule: Callable[[DiffusionNoise, int, Spacing], Schedule]
    spacing: Spacing

    def schedule_for(self, noise: TrainedNoise, num_inference_steps: int) -> Schedule:
        """The schedule of one image. Raises: UnsupportedScheduler."""
        if isinstance(noise, FlowNoise):
            schedule = self._flow_schedule(noise, num_inference_steps)
        else:
            schedule = self.schedule(noise, num_inference_steps, self.spacing)
        return sigmas.with_correctors(schedule) if self.step is heun else schedule

    def _flow_schedule(self, noise: FlowNoise, num_inference_steps: int) -> Schedule:
        if self.step is euler_ancestral:
            raise UnsupportedScheduler("A model that predicts flow has no ancestral sampling.", field="scheduler")
        return sigmas.flow(noise, num_inference_steps, self.spacing)


SAMPLERS: dict[Scheduler, Sampler] = {
    "euler": Sampler(euler, sigmas.exploding, "trained"),
    "euler_karras": Sampler(euler, sigmas.exploding, "karras"),
    "euler_trailing": Sampler(euler, sigmas.exploding, "trailing"),
    "euler_ancestral": Sampler(euler_ancestral, sigmas.exploding, "trained"),
    "euler_ancestral_trailing": Sampler(euler_ancestral, sigmas.exploding, "trailing"),
    "ddim": Sampler(ddim, sigmas.ddim, "trained"),
    "ddim_trailing": Sampler(ddim, sigmas.ddim, "trailing"),
    "heun": Sampler(heun, sigmas.exploding, "trained"),
    "heun_karras": Sampler(heun, sigmas.exploding, "karras"),
    "heun_trailing": Sampler(heun, sigmas.exploding, "trailing"),
    "dpmpp_2m": Sampler(dpmpp_2m, sigmas.preserving, "trained"),
    "dpmpp_2m_karras": Sampler(dpmpp_2m, sigmas.preserving, "karras"),
    "dpmpp_2m_trailing": Sampler(dpmpp_2m, sigmas.preserving, "trailing"),
}
