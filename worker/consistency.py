"""The schedulers of consistency distillation, LCM and TCD: their timesteps, rules and coefficients."""

import numpy as np
import torch
from torch import Tensor

from contract.errors import LimitExceeded
from worker import rules
from worker.rules import Moved, Point, given_noise
from worker.schedules import Evaluation
from worker.sigmas import Course, Leg, Level, Spacing, level_at
from worker.trained_noise import DiffusionNoise

SIGMA_DATA = 0.5
TIMESTEP_SCALING = 10.0
"""The constants of LCM's boundary condition."""

GAMMA = 0.3
"""How far TCD steps below the next level: 0 is not at all, and 1 all the way to the image, as LCM does."""


def lcm_course(noise: DiffusionNoise, num_inference_steps: int, spacing: Spacing) -> Course:
    """LCM's course. Raises: LimitExceeded. Source: must equal `set_timesteps` of `LCMScheduler`."""
    del spacing
    timesteps = distilled_timesteps(noise, num_inference_steps)
    levels = [level_at(noise, timestep) for timestep in timesteps]
    clean = Level(torch.tensor(1.0), torch.tensor(0.0), torch.tensor(1.0))
    return _course(timesteps, levels, [*levels[1:], clean])


def tcd_course(noise: DiffusionNoise, num_inference_steps: int, spacing: Spacing) -> Course:
    """TCD's course, each leg of which ends below the start of the next, and the last at timestep 0.

    Raises: LimitExceeded.
    Source: must equal `set_timesteps` and the choice of `timestep_s` in `TCDScheduler`.
    """
    del spacing
    timesteps = distilled_timesteps(noise, num_inference_steps)
    arrivals = torch.floor((1 - GAMMA) * torch.tensor([*timesteps[1:], 0])).long().tolist()
    levels = [level_at(noise, timestep) for timestep in timesteps]
    return _course(timesteps, levels, [level_at(noise, timestep) for timestep in arrivals])


def distilled_timesteps(noise: DiffusionNoise, count: int) -> list[int]:
    """`count` of the timesteps that a distilled network has learned to start from, falling. Raises: LimitExceeded."""
    original = min(noise.original_inference_steps, noise.num_train_timesteps)
    if count > original:
        raise LimitExceeded(
            f"This scheduler takes at most {original} steps, and was asked for {count}.", field="num_inference_steps"
        )
    learned = np.arange(original, 0, -1) * (noise.num_train_timesteps // original) - 1
    chosen: list[int] = learned[np.floor(np.linspace(0, original, count, endpoint=False)).astype(int)].tolist()
    return chosen


def lcm(course: Course) -> tuple[Evaluation, ...]:
    """Multistep consistency sampling: all the way to an image, and back to the next level with new noise.

    Source: Luo et al. 2023, arXiv:2310.04378, Algorithm 3; must equal `LCMScheduler`.
    """
    *legs, last = course.legs
    between = [
        Evaluation.at(leg, step, lcm_step, (*_boundary(leg.timestep), *leg.there[:2]), needs_noise=True)
        for step, leg in enumerate(legs, 1)
    ]
    return (*between, Evaluation.at(last, len(course.legs), lcm_last, _boundary(last.timestep)))


def tcd(course: Course) -> tuple[Evaluation, ...]:
    """Strategic stochastic sampling: a step of DDIM to below the next level, and up to it with new noise.

    Source: Zheng et al. 2024, arXiv:2402.19159, the algorithm of that name; must equal `TCDScheduler`.
    """
    between = [
        Evaluation.at(leg, step, tcd_step, (*_levels(leg), *_upwards(leg.there, following.here)), needs_noise=True)
        for step, (leg, following) in enumerate(zip(course.legs, course.legs[1:], strict=False), 1)
    ]
    last = course.legs[-1]
    return (*between, Evaluation.at(last, len(course.legs), rules.ddim, _levels(last)))


def lcm_step(point: Point) -> Moved:
    """To an image and back. Coefficients: of the estimate and of the latents; of the image and of the noise.

    Source: Luo et al. 2023, arXiv:2310.04378, Algorithm 3, in its loop.
    """
    *boundary, alpha, sigma = point.coefficients
    image = lcm_last(point._replace(coefficients=tuple(boundary))).latents
    return Moved(alpha * image + sigma * given_noise(point))


def lcm_last(point: Point) -> Moved:
    """To an image. Coefficients: of the estimate, of the latents.

    Source: Luo et al. 2023, arXiv:2310.04378, section 4.1, f for epsilon and v.
    """
    out, skip = point.coefficients
    return Moved(out * point.denoised + skip * point.latents)


def tcd_step(point: Point) -> Moved:
    """Below the next level and up to it. Coefficients: two levels; of the latents there and of the noise.

    Source: Zheng et al. 2024, arXiv:2402.19159, strategic stochastic sampling, in its loop.
    """
    *levels, kept, added = point.coefficients
    below = rules.ddim(point._replace(coefficients=tuple(levels))).latents
    return Moved(kept * below + added * given_noise(point))


def _course(timesteps: list[int], levels: list[Level], arrivals: list[Level]) -> Course:
    told = torch.tensor(timesteps, dtype=torch.float32)
    return Course(tuple(Leg(*leg) for leg in zip(told, levels, arrivals, strict=True)), torch.tensor(1.0))


def _boundary(timestep: Tensor) -> tuple[Tensor, ...]:
    """c_out and c_skip. Source: Song et al. 2023, arXiv:2303.01469, appendix C, as `LCMScheduler` scales them."""
    scaled = timestep * TIMESTEP_SCALING
    variance = scaled**2 + SIGMA_DATA**2
    return scaled / variance**0.5, SIGMA_DATA**2 / variance


def _levels(leg: Leg) -> tuple[Tensor, ...]:
    return leg.here.alpha, leg.here.sigma, leg.there.alpha, leg.there.sigma


def _upwards(below: Level, above: Level) -> tuple[Tensor, ...]:
    kept = above.alpha**2 / below.alpha**2
    return kept.sqrt(), (1 - kept).sqrt()
