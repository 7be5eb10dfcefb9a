"""The methods: from a course to the rules that walk it, each with its coefficients, all computed ahead."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from worker import rules
from worker.rules import Rule
from worker.sigmas import Course, Leg, Level


@dataclass(frozen=True, eq=False, slots=True)
class Evaluation:
    """One call of the network and the move after it; `step` is how many steps are done by then.

    Shapes: timestep and each coefficient ().
    """

    timestep: Tensor
    here: Level
    rule: Rule
    coefficients: tuple[Tensor, ...]
    step: int
    needs_noise: bool = False


Method = Callable[[Course], tuple[Evaluation, ...]]


@dataclass(frozen=True, eq=False, slots=True)
class Schedule:
    """All calls for one image, in order; its first latents are noise × `init_noise_sigma`."""

    evaluations: tuple[Evaluation, ...]
    init_noise_sigma: Tensor


def scheduled(method: Method, course: Course) -> Schedule:
    """The schedule of a method along a course."""
    return Schedule(method(course), course.init_noise_sigma)


def euler(course: Course) -> tuple[Evaluation, ...]:
    """Euler's method."""
    return tuple(_evaluation(leg, step, rules.euler, _slope(leg)) for step, leg in enumerate(course.legs, 1))


def euler_ancestral(course: Course) -> tuple[Evaluation, ...]:
    """Euler's method to a level below the next, and noise up to it; only where alpha = 1."""
    return tuple(
        _evaluation(leg, step, rules.euler_ancestral, _down_and_up(leg), needs_noise=True)
        for step, leg in enumerate(course.legs, 1)
    )


def heun(course: Course) -> tuple[Evaluation, ...]:
    """Heun's method, which calls the network again where each step but the last arrives."""
    evaluations: list[Evaluation] = []
    for step, (leg, following) in enumerate(zip(course.legs, course.legs[1:], strict=False)):
        correction = (following.here.sigma, leg.there.sigma - leg.here.sigma)
        evaluations += [
            _evaluation(leg, step, rules.heun_try, _slope(leg)),
            _evaluation(following, step + 1, rules.heun_correction, correction),
        ]
    last = course.legs[-1]
    return (*evaluations, _evaluation(last, len(course.legs), rules.euler, _slope(last)))


def ddim(course: Course) -> tuple[Evaluation, ...]:
    """DDIM without noise."""
    return tuple(
        _evaluation(leg, step, rules.ddim, (leg.here.alpha, leg.here.sigma, leg.there.alpha, leg.there.sigma))
        for step, leg in enumerate(course.legs, 1)
    )


def dpmpp_2m(course: Course) -> tuple[Evaluation, ...]:
    """DPM-Solver++(2M): of second order, but first at both ends."""
    evaluations: list[Evaluation] = []
    for step, leg in enumerate(course.legs, 1):
        if step == 1:
            evaluations.append(_evaluation(leg, step, rules.dpmpp_first, _estimates(leg)))
        elif leg.there.sigma > 0:
            second = _estimates(leg) + _change(leg, course.legs[step - 2])
            evaluations.append(_evaluation(leg, step, rules.dpmpp_2m, second))
        else:
            evaluations.append(_evaluation(leg, step, rules.dpmpp_last, _estimates(leg)))
    return tuple(evaluations)


def _evaluation(
    leg: Leg, step: int, rule: Rule, coefficients: tuple[Tensor, ...], *, needs_noise: bool = False
) -> Evaluation:
    return Evaluation(leg.timestep, leg.here, rule, coefficients, step, needs_noise)


def _slope(leg: Leg) -> tuple[Tensor, ...]:
    return leg.here.sigma, leg.there.sigma - leg.here.sigma


def _down_and_up(leg: Leg) -> tuple[Tensor, ...]:
    here, there = leg.here.sigma, leg.there.sigma
    up = (there**2 * (here**2 - there**2) / here**2) ** 0.5
    down = (there**2 - up**2) ** 0.5
    return here, down - here, up


def _estimates(leg: Leg) -> tuple[Tensor, ...]:
    length = log_snr(leg.there) - log_snr(leg.here)
    return leg.there.sigma / leg.here.sigma, leg.there.alpha * (torch.exp(-length) - 1.0)


def _change(leg: Leg, previous: Leg) -> tuple[Tensor, ...]:
    length = log_snr(leg.there) - log_snr(leg.here)
    ratio = (log_snr(leg.here) - log_snr(previous.here)) / length
    return 0.5 * _estimates(leg)[1], 1.0 / ratio


def log_snr(level: Level) -> Tensor:
    """Half the logarithm of signal over noise. Source: Lu et al. 2022, arXiv:2211.01095, section 2.1, lambda."""
    return torch.log(level.alpha) - torch.log(level.sigma)
