"""How fast each method converges, where the exact answer is known: clean latents are normal with deviation 0.5.

The best denoiser is then x·s²/(s²+sigma²), and x / sqrt(s² + sigma²) is the same at all levels.
"""

import math
import random
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from contract.errors import LimitExceeded, UnsupportedScheduler
from contract.request import SCHEDULERS, Scheduler
from worker.consistency import lcm, tcd
from worker.denoiser import DENOISERS, scale_model_input
from worker.dpm_solver import dpmpp_2m, dpmpp_2m_sde
from worker.rules import Moved, Point, Rule, columns
from worker.samplers import SAMPLERS, Sampler
from worker.schedules import Evaluation, Method, Schedule, ddim, euler, euler_ancestral, heun
from worker.sigmas import Course, Leg, Level
from worker.trained_noise import Output, read_trained_noise
from worker.unipc import unipc

DEVIATION = 0.5
LARGEST, SMALLEST = 10.0, 0.05


NOISES = {
    "epsilon": read_trained_noise({"beta_schedule": "scaled_linear"}),
    "v_prediction": read_trained_noise(
        {
            "prediction_type": "v_prediction",
            "beta_schedule": "scaled_linear",
            "rescale_betas_zero_snr": True,
            "timestep_spacing": "trailing",
        }
    ),
    "flow": read_trained_noise({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}),
}


def level(sigma: Tensor, *, preserving: bool) -> Level:
    one = torch.ones((), dtype=torch.float64)
    alpha = 1 / (sigma**2 + 1) ** 0.5 if preserving else one
    return Level(alpha, alpha * sigma, one)


def course(count: int, *, preserving: bool, beyond: int = 0) -> Course:
    """Levels evenly spaced in log sigma, and no step to zero, which would be exact for every method."""
    step = math.log(SMALLEST / LARGEST) / count
    sigmas = [
        torch.tensor(LARGEST * math.exp(step * index), dtype=torch.float64) for index in range(count + beyond + 1)
    ]
    levels = [level(sigma, preserving=preserving) for sigma in sigmas]
    return Course(tuple(Leg(sigmas[0], here, there) for here, there in pairwise(levels)), sigmas[0])


def denoise(latents: Tensor, at: Level) -> Tensor:
    return latents * at.alpha * DEVIATION**2 / (at.alpha**2 * DEVIATION**2 + at.sigma**2)


def spread(at: Level) -> Tensor:
    return (at.alpha**2 * DEVIATION**2 + at.sigma**2) ** 0.5


def error(method: Method, count: int, *, preserving: bool) -> float:
    """How far the end is from the exact one, relative to it.

    The schedule is one step longer than what is run of it: most methods do less in their last step than in others.
    """
    walk = course(count, preserving=preserving, beyond=1)
    latents, memory = spread(walk.legs[0].here), ()
    for evaluation in method(walk)[:-1]:
        denoised = denoise(latents, evaluation.here)
        latents, memory = evaluation.rule(Point(latents, denoised, evaluation.coefficients, memory))
    return abs((latents / spread(walk.legs[-1].here)).item() - 1)


@pytest.mark.parametrize(
    ("method", "preserving", "order"),
    [
        (euler, False, 1),
        (ddim, True, 1),
        (heun, False, 2),
        (dpmpp_2m, True, 2),
        (dpmpp_2m, False, 2),
        (unipc, True, 3),
        (unipc, False, 3),
    ],
)
def test_order(method: Method, preserving: bool, order: int) -> None:
    """UniPC-2 is of order 3, as its predictions of order 2 are corrected."""
    coarse, fine = (error(method, count, preserving=preserving) for count in (160, 320))
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.1)


def last_latents(method: Method, walk: Course, seed: int) -> Tensor:
    """Where many images arrive, with the best denoiser of them all."""
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(4, 4, 64, 64, generator=generator, dtype=torch.float64) * spread(walk.legs[0].here)
    memory: tuple[Tensor, ...] = ()
    for evaluation in method(walk):
        noise = torch.randn(latents.shape, generator=generator, dtype=torch.float64)
        denoised = denoise(latents, evaluation.here)
        latents, memory = evaluation.rule(Point(latents, denoised, evaluation.coefficients, memory, noise))
    return latents


@pytest.mark.parametrize(
    ("method", "preserving"), [(dpmpp_2m_sde, True), (dpmpp_2m_sde, False), (euler_ancestral, False)]
)
def test_noise_in_the_steps_keeps_the_spread(method: Method, preserving: bool) -> None:
    walk = course(400, preserving=preserving)
    ratio = last_latents(method, walk, seed=3).std() / spread(walk.legs[-1].there)
    assert ratio.item() == pytest.approx(1, abs=0.01)


def test_lcm_and_tcd_end_without_noise() -> None:
    for method in (lcm, tcd):
        needed = [evaluation.needs_noise for evaluation in method(course(4, preserving=True))]
        assert needed == [True, True, True, False]


@pytest.mark.parametrize("scheduler", ["lcm", "tcd"])
def test_a_distilled_network_takes_no_more_steps_than_it_has_learned(scheduler: Scheduler) -> None:
    with pytest.raises(LimitExceeded):
        SAMPLERS[scheduler].schedule_for(NOISES["epsilon"], 51, 1024)


def test_ddim_is_euler_in_other_coordinates() -> None:
    assert error(ddim, 20, preserving=True) == pytest.approx(error(euler, 20, preserving=False), rel=1e-9)


def test_heun_counts_two_evaluations_as_one_step() -> None:
    evaluations = heun(course(4, preserving=False))
    assert [evaluation.step for evaluation in evaluations] == [0, 1, 1, 2, 2, 3, 4]


def test_a_registered_sampler_is_what_its_name_says() -> None:
    assert tuple(SAMPLERS) == SCHEDULERS
    for name, sampler in SAMPLERS.items():
        assert isinstance(sampler, Sampler)
        assert name.removesuffix(f"_{sampler.spacing}").removeprefix("flow_match_") == sampler.method.__name__


def test_equal_images_share_a_schedule() -> None:
    noise = NOISES["epsilon"]
    schedules = [SAMPLERS["euler"].schedule_for(noise, count, 1024) for count in (4, 4, 5)]
    assert schedules[0] is schedules[1]
    assert schedules[0] is not schedules[2]


@dataclass
class Traveller:
    """An image on its way, whose network says random things; the same seed hears the same."""

    schedule: Schedule
    output: Output
    seed: int
    latents: Tensor
    memory: tuple[Tensor, ...] = ()
    done: int = 0

    @property
    def evaluation(self) -> Evaluation:
        return self.schedule.evaluations[self.done]

    @property
    def is_there(self) -> bool:
        return self.done == len(self.schedule.evaluations)

    def said(self, what: int) -> Tensor:
        return torch.randn(1, 4, 5, 3, generator=torch.Generator().manual_seed(1000 * self.seed + 2 * self.done + what))


@pytest.mark.parametrize("count", [1, 2, 3, 20])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_steps_count_to_as_many_as_asked(scheduler: Scheduler, count: int) -> None:
    fits = NOISES["flow" if SAMPLERS[scheduler].course is None else "epsilon"]
    assert SAMPLERS[scheduler].schedule_for(fits, count, 1024).evaluations[-1].step == count


def traveller(draw: random.Random, scheduler: Scheduler, output: Output) -> Traveller:
    schedule = SAMPLERS[scheduler].schedule_for(NOISES[output], draw.randint(1, 9), 1024)
    seed = draw.randrange(10**6)
    noise = torch.randn(1, 4, 5, 3, generator=torch.Generator().manual_seed(seed))
    return Traveller(schedule, output, seed, noise * schedule.init_noise_sigma)


def travel(group: list[Traveller]) -> None:
    """One evaluation of all, whose rule and number of memories must be equal."""
    evaluations = [one.evaluation for one in group]
    latents, outputs = torch.cat([one.latents for one in group]), torch.cat([one.said(0) for one in group])
    here = Level(*columns([evaluation.here for evaluation in evaluations], latents.device))
    # The network would see the latents scaled; here what it says also depends on that.
    outputs = outputs + scale_model_input(latents, here)
    point = Point(
        latents,
        DENOISERS[group[0].output](outputs, latents, here),
        columns([evaluation.coefficients for evaluation in evaluations], latents.device),
        tuple(torch.cat(kept) for kept in zip(*(one.memory for one in group), strict=True)),
        torch.cat([one.said(1) for one in group]) if evaluations[0].needs_noise else None,
    )
    settle(group, evaluations[0].rule(point))


def settle(group: list[Traveller], moved: Moved) -> None:
    for row, one in enumerate(group):
        one.latents = moved.latents[row : row + 1]
        one.memory = tuple(kept[row : row + 1] for kept in moved.memory)
        one.done += 1


def arrive_together(group: list[Traveller], draw: random.Random) -> None:
    """All, each at its own pace: at every tick those move together that stand before the same rule."""
    while unfinished := [one for one in group if not one.is_there]:
        by_rule: dict[Rule, list[Traveller]] = defaultdict(list)
        for one in draw.sample(unfinished, draw.randint(1, len(unfinished))):
            by_rule[one.evaluation.rule].append(one)
        for together in by_rule.values():
            travel(together)


@pytest.mark.parametrize("output", NOISES)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_together_is_as_alone(scheduler: Scheduler, output: Output) -> None:
    ends = []
    for together in (True, False):
        draw = random.Random(scheduler + output)
        try:
            group = [traveller(draw, scheduler, output) for _ in range(12)]
        except UnsupportedScheduler:
            return
        for party in [group] if together else [[one] for one in group]:
            arrive_together(party, draw)
        ends.append(torch.cat([one.latents for one in group]))
    assert torch.equal(*ends)
    assert ends[0].isfinite().all()
