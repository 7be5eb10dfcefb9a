"""UniPC of second order, which predicts a step and corrects it when the network has seen where it led.

All rules are of Zhao et al. 2023, arXiv:2302.04867: algorithms UniP-p and UniC-p, p = 1 or 2, multistep, with data
prediction, whose estimate of the clean latents is `denoised`.
"""

import torch
from torch import Tensor

from worker.dpm_solver import log_snr, step_length
from worker.rules import Moved, Point
from worker.schedules import Evaluation
from worker.sigmas import Course, Leg


def unipc(course: Course) -> tuple[Evaluation, ...]:
    """UniPC-2 with B(h) = exp(h) - 1 on the estimate of the clean latents; of first order in its first and last step.

    Each step first corrects the one before it.
    Source: Zhao et al. 2023, arXiv:2302.04867; must equal `UniPCMultistepScheduler`.
    """
    legs, evaluations = course.legs, [Evaluation.at(course.legs[0], 1, first, _estimates(course.legs[0]))]
    for index, leg in enumerate(legs[1:], 1):
        correction = _correction(legs[index - 1], legs[index - 2] if index > 1 else None)
        prediction = _estimates(leg) if leg is legs[-1] else _prediction(leg, legs[index - 1])
        rule = RULES[index > 1, leg is not legs[-1]]
        evaluations.append(Evaluation.at(leg, index + 1, rule, correction + prediction))
    return tuple(evaluations)


def first(point: Point) -> Moved:
    """The first step, of first order. Coefficients: of the latents, of the estimate.

    State:  leaves where it started and the estimate there.
    """
    return Moved(_predicted_by_1(point.latents, point, point.coefficients), (point.latents, point.denoised))


def correct_1_predict_2(point: Point) -> Moved:
    """The second step. Coefficients: 2 of the correction, 3 of the prediction.

    State:  reads what the first left; leaves where it started, corrected, and the last two estimates.
    """
    start = _corrected_by_1(point)
    latents = _predicted_by_2(start, point, point.coefficients[2:])
    return Moved(latents, (start, point.denoised, point.memory[1]))


def correct_2_predict_2(point: Point) -> Moved:
    """A step in between. Coefficients: 5 of the correction, 3 of the prediction.

    State:  reads and leaves where a step started, corrected, and the last two estimates.
    """
    start = _corrected_by_2(point)
    latents = _predicted_by_2(start, point, point.coefficients[5:])
    return Moved(latents, (start, point.denoised, point.memory[1]))


def correct_1_predict_1(point: Point) -> Moved:
    """The last step of two. Coefficients: 2 of the correction, 2 of the prediction.

    State:  reads what the first left.
    """
    return Moved(_predicted_by_1(_corrected_by_1(point), point, point.coefficients[2:]))


def correct_2_predict_1(point: Point) -> Moved:
    """The last step. Coefficients: 5 of the correction, 2 of the prediction.

    State:  reads where the step before started, corrected, and the two estimates before this one.
    """
    return Moved(_predicted_by_1(_corrected_by_2(point), point, point.coefficients[5:]))


RULES = {
    (False, True): correct_1_predict_2,
    (False, False): correct_1_predict_1,
    (True, True): correct_2_predict_2,
    (True, False): correct_2_predict_1,
}
"""By whether there are two steps before this one, and one after it."""


def _predicted_by_1(start: Tensor, point: Point, coefficients: tuple[Tensor, ...]) -> Tensor:
    kept, weight = coefficients
    return kept * start - weight * point.denoised


def _predicted_by_2(start: Tensor, point: Point, coefficients: tuple[Tensor, ...]) -> Tensor:
    kept, weight, ratio = coefficients
    change = (point.memory[1] - point.denoised) / ratio
    return kept * start - weight * point.denoised - weight * (0.5 * change)


def _corrected_by_1(point: Point) -> Tensor:
    kept, weight = point.coefficients[:2]
    start, estimate = point.memory
    return kept * start - weight * estimate - weight * (0.5 * (point.denoised - estimate))


def _corrected_by_2(point: Point) -> Tensor:
    kept, weight, ratio, before, now = point.coefficients[:5]
    start, estimate, previous = point.memory
    change = before * ((previous - estimate) / ratio) + now * (point.denoised - estimate)
    return kept * start - weight * estimate - weight * change


def _estimates(leg: Leg) -> tuple[Tensor, ...]:
    return leg.there.sigma / leg.here.sigma, leg.there.alpha * torch.expm1(-step_length(leg))


def _prediction(leg: Leg, previous: Leg) -> tuple[Tensor, ...]:
    return *_estimates(leg), (log_snr(previous.here) - log_snr(leg.here)) / step_length(leg)


def _correction(leg: Leg, previous: Leg | None) -> tuple[Tensor, ...]:
    if previous is None:
        return _estimates(leg)
    prediction = _prediction(leg, previous)
    return *prediction, *_weights(-step_length(leg), prediction[2])


def _weights(length: Tensor, ratio: Tensor) -> tuple[Tensor, ...]:
    """How much the corrector heeds the change before and the change now.

    Source: Zhao et al. 2023, arXiv:2302.04867, Theorem 3.1, whose condition is here a pair of linear equations.
    """
    growth = torch.expm1(length)
    phi_2 = growth / length - 1
    phi_3 = phi_2 / length - 1 / 2
    ratios = torch.stack([ratio, torch.ones_like(ratio)])
    powers = torch.stack([torch.pow(ratios, 0), torch.pow(ratios, 1)])
    weights = torch.linalg.solve(powers, torch.stack([phi_2 / growth, phi_3 * 2 / growth]))
    return tuple(weights.unbind())
