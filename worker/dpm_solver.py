"""DPM-Solver++(2M), along the ODE and along the SDE: its rules and its coefficients."""

import torch
from torch import Tensor

from worker.rules import Moved, Point, given_noise
from worker.schedules import Evaluation
from worker.sigmas import Course, Leg, Level


def dpmpp_2m(course: Course) -> tuple[Evaluation, ...]:
    """DPM-Solver++(2M): of second order, but first at both ends. Source: Lu et al. 2022, arXiv:2211.01095."""
    evaluations: list[Evaluation] = []
    for step, leg in enumerate(course.legs, 1):
        coefficients = _estimates(leg)
        if step == 1:
            evaluations.append(Evaluation.at(leg, step, first, coefficients))
        elif leg.there.sigma > 0:
            coefficients += (0.5 * coefficients[1], _inverse_ratio(leg, course.legs[step - 2]))
            evaluations.append(Evaluation.at(leg, step, second, coefficients))
        else:
            evaluations.append(Evaluation.at(leg, step, last, coefficients))
    return tuple(evaluations)


def dpmpp_2m_sde(course: Course) -> tuple[Evaluation, ...]:
    """SDE-DPM-Solver++(2M), with new noise in every step. Source: Lu et al. 2022, arXiv:2211.01095."""
    evaluations: list[Evaluation] = []
    for step, leg in enumerate(course.legs, 1):
        coefficients = _sde_estimates(leg)
        rule = sde_first if step == 1 else sde_last
        if step > 1 and leg.there.sigma > 0:
            rule = sde_second
            coefficients += (0.5 * coefficients[1], _inverse_ratio(leg, course.legs[step - 2]))
        evaluations.append(Evaluation.at(leg, step, rule, coefficients, needs_noise=True))
    return tuple(evaluations)


def first(point: Point) -> Moved:
    """A step of first order. Coefficients: of the latents, of the estimate.

    State:  leaves the estimate.
    Source: Lu et al. 2022, arXiv:2211.01095, Algorithm 2, before its loop.
    """
    kept, weight = point.coefficients
    return Moved(kept * point.latents - weight * point.denoised, (point.denoised,))


def second(point: Point) -> Moved:
    """A step of second order. Coefficients: of the latents, of the estimate, of its change, 1 / r.

    State:  reads the previous estimate, leaves this one.
    Source: Lu et al. 2022, arXiv:2211.01095, Algorithm 2, in its loop.
    """
    kept, weight, change, inverse_ratio = point.coefficients
    latents = kept * point.latents - weight * point.denoised
    difference = inverse_ratio * (point.denoised - point.memory[0])
    return Moved(latents - change * difference, (point.denoised,))


def last(point: Point) -> Moved:
    """The step to no noise, which has no use for the previous estimate; otherwise as `first`."""
    return Moved(first(point).latents)


def sde_first(point: Point) -> Moved:
    """A step of first order. Coefficients: of the latents, of the estimate, of the noise.

    State:  leaves the estimate.
    Source: Lu et al. 2022, arXiv:2211.01095, SDE-DPM-Solver++1.
    """
    kept, weight, added = point.coefficients
    return Moved(kept * point.latents + weight * point.denoised + added * given_noise(point), (point.denoised,))


def sde_second(point: Point) -> Moved:
    """A step of second order. Coefficients: of the latents, of the estimate, of the noise, of the change, 1 / r.

    State:  reads the previous estimate, leaves this one.
    Source: Lu et al. 2022, arXiv:2211.01095, SDE-DPM-Solver++(2M).
    """
    kept, weight, added, change, inverse_ratio = point.coefficients
    difference = inverse_ratio * (point.denoised - point.memory[0])
    latents = kept * point.latents + weight * point.denoised + change * difference
    return Moved(latents + added * given_noise(point), (point.denoised,))


def sde_last(point: Point) -> Moved:
    """The step to no noise, which has no use for the previous estimate; otherwise as `sde_first`."""
    return Moved(sde_first(point).latents)


def log_snr(level: Level) -> Tensor:
    """Half the logarithm of signal over noise. Source: Lu et al. 2022, arXiv:2211.01095, section 2.1, lambda."""
    return torch.log(level.alpha) - torch.log(level.sigma)


def step_length(leg: Leg) -> Tensor:
    """How far a leg leads in `log_snr`. Source: Lu et al. 2022, arXiv:2211.01095, h in Algorithm 2."""
    return log_snr(leg.there) - log_snr(leg.here)


def _estimates(leg: Leg) -> tuple[Tensor, ...]:
    return leg.there.sigma / leg.here.sigma, leg.there.alpha * (torch.exp(-step_length(leg)) - 1.0)


def _sde_estimates(leg: Leg) -> tuple[Tensor, ...]:
    length = step_length(leg)
    return (
        leg.there.sigma / leg.here.sigma * torch.exp(-length),
        leg.there.alpha * (1 - torch.exp(-2.0 * length)),
        leg.there.sigma * torch.sqrt(1.0 - torch.exp(-2 * length)),
    )


def _inverse_ratio(leg: Leg, previous: Leg) -> Tensor:
    return 1.0 / ((log_snr(leg.here) - log_snr(previous.here)) / step_length(leg))
