"""How fast each method converges, where the exact answer is known: clean latents are normal with deviation 0.5.

The best denoiser is then x·s²/(s²+sigma²), and x / sqrt(s² + sigma²) is the same at all levels.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from contract.request import SCHEDULERS
from worker.samplers import SAMPLERS, Memory, Moved, Point, Sampler, ddim, dpmpp_2m, euler, heun
from worker.sigmas import Evaluation, Level, Schedule, with_correctors

Step = Callable[[Point], Moved]

DEVIATION = 0.5
LARGEST, SMALLEST = 10.0, 0.05


def level(sigma: Tensor, *, preserving: bool) -> Level:
    one = torch.ones((), dtype=torch.float64)
    alpha = 1 / (sigma**2 + 1) ** 0.5 if preserving else one
    return Level(alpha, alpha * sigma, one)


def schedule(count: int, *, preserving: bool) -> Schedule:
    """Levels evenly spaced in log sigma, and no step to zero, which would be exact for every method."""
    sigmas = torch.linspace(math.log(LARGEST), math.log(SMALLEST), count + 1, dtype=torch.float64).exp()
    levels = [level(sigma, preserving=preserving) for sigma in sigmas]
    return Schedule(tuple(Evaluation(sigmas[0], here, there, 0) for here, there in pairwise(levels)), sigmas[0])


def denoise(latents: Tensor, at: Level) -> Tensor:
    return latents * at.alpha * DEVIATION**2 / (at.alpha**2 * DEVIATION**2 + at.sigma**2)


def spread(at: Level) -> Tensor:
    return (at.alpha**2 * DEVIATION**2 + at.sigma**2) ** 0.5


def error(step: Step, count: int, *, preserving: bool) -> float:
    """How far the end is from the exact one, relative to it."""
    plan = schedule(count, preserving=preserving)
    first, last = plan.evaluations[0].here, plan.evaluations[-1].there
    if step is heun:
        # Here the last step has a correction too, as it does not end at zero.
        final = plan.evaluations[-1]
        plan = Schedule((*plan.evaluations, Evaluation(final.timestep, last, last, 0)), plan.init_noise_sigma)
        plan = Schedule(with_correctors(plan).evaluations[:-1], plan.init_noise_sigma)
    latents, memory = spread(first), None
    for evaluation in plan.evaluations:
        denoised = denoise(latents, evaluation.here)
        latents, memory = step(Point(latents, denoised, evaluation.here, evaluation.there, memory))
    return abs((latents / spread(last)).item() - 1)


@pytest.mark.parametrize(
    ("step", "preserving", "order"),
    [
        (euler, False, 1),
        (ddim, True, 1),
        (heun, False, 2),
        (dpmpp_2m, True, 2),
        (dpmpp_2m, False, 2),
    ],
)
def test_order(step: Step, preserving: bool, order: int) -> None:
    coarse, fine = (error(step, count, preserving=preserving) for count in (160, 320))
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.1)


def test_ddim_is_euler_in_other_coordinates() -> None:
    assert error(ddim, 20, preserving=True) == pytest.approx(error(euler, 20, preserving=False), rel=1e-9)


def test_heun_counts_two_evaluations_as_one_step() -> None:
    plan = with_correctors(schedule_with_steps(4))
    assert [evaluation.step for evaluation in plan.evaluations] == [0, 1, 1, 2, 2, 3, 4]


def schedule_with_steps(count: int) -> Schedule:
    plan = schedule(count, preserving=False)
    numbered = (Evaluation(one.timestep, one.here, one.there, step) for step, one in enumerate(plan.evaluations, 1))
    return Schedule(tuple(numbered), plan.init_noise_sigma)


def test_a_registered_sampler_is_what_its_name_says() -> None:
    assert tuple(SAMPLERS) == SCHEDULERS
    for name, sampler in SAMPLERS.items():
        assert isinstance(sampler, Sampler)
        assert name.removesuffix(f"_{sampler.spacing}") == sampler.step.__name__


def test_memory_of_one_method_means_nothing_to_another() -> None:
    plan = schedule(2, preserving=False).evaluations
    memory: Memory = dpmpp_2m(Point(torch.ones(1), torch.zeros(1), plan[0].here, plan[0].there)).memory
    fresh = heun(Point(torch.ones(1), torch.zeros(1), plan[1].here, plan[1].there))
    assert torch.equal(heun(Point(torch.ones(1), torch.zeros(1), plan[1].here, plan[1].there, memory))[0], fresh[0])
