"""The steps themselves: each a pure function that takes the latents of n images from one noise level to the next.

A rule adds, subtracts, multiplies and divides. These are exact to the bit in every kernel, so an image steps in a group
as it would alone. Roots, powers and logarithms are not; they are in the coefficients, which a schedule computes ahead.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Point(NamedTuple):
    """All that a step depends on, for n images at once; `noise` is there for rules that add some.

    `renoised` is a second estimate of the clean latents, for rules that take the noise from that one.
    Shapes: latents, denoised, noise, renoised and each of memory (n, C, H, W), each coefficient (n, 1, 1, 1).
    """

    latents: Tensor
    denoised: Tensor
    coefficients: tuple[Tensor, ...]
    memory: tuple[Tensor, ...] = ()
    noise: Tensor | None = None
    renoised: Tensor | None = None


class Moved(NamedTuple):
    """What a step results in: latents at the next level, and what the next step must know. Shapes: (n, C, H, W)."""

    latents: Tensor
    memory: tuple[Tensor, ...] = ()


Rule = Callable[[Point], Moved]


def columns(rows: Sequence[tuple[Tensor, ...]], device: torch.device) -> tuple[Tensor, ...]:
    """The numbers of n images as factors of their latents.

    Shapes: n rows of k numbers (), result k times (n, 1, 1, 1).
    """
    if not rows[0]:
        return ()
    numbers = torch.stack([number for row in rows for number in row]).to(device)
    return tuple(numbers.view(len(rows), -1, 1, 1, 1).unbind(1))


def euler(point: Point) -> Moved:
    """One step along the slope at its start, where alpha = 1 or alpha = 1 - sigma. Coefficients: sigma, distance.

    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 1 without lines 6 to 8.
    """
    sigma, distance = point.coefficients
    derivative = (point.latents - point.denoised) / sigma
    return Moved(point.latents + derivative * distance)


def euler_ancestral(point: Point) -> Moved:
    """One step along the slope, and noise that leads back up. Coefficients: sigma, distance, noise to add.

    Source: Song et al. 2020, arXiv:2011.13456, appendix F (ancestral sampling of VE), with Euler's step below it.
    """
    *down, up = point.coefficients
    below = euler(point._replace(coefficients=tuple(down)))
    return Moved(below.latents + given_noise(point) * up)


def heun_try(point: Point) -> Moved:
    """The first half of Heun's method: Euler's step. Coefficients: sigma, distance.

    State:  leaves where it started and the slope there.
    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 1, lines 4 and 5.
    """
    sigma, distance = point.coefficients
    derivative = (point.latents - point.denoised) / sigma
    return Moved(point.latents + derivative * distance, (point.latents, derivative))


def heun_correction(point: Point) -> Moved:
    """The second half of Heun's method: the step again, along the mean of both slopes. Coefficients: sigma, distance.

    State:  reads what the try left.
    Source: Karras et al. 2022, arXiv:2206.00364, Algorithm 1, lines 7 and 8.
    """
    sigma, distance = point.coefficients
    start, first = point.memory
    derivative = (point.latents - point.denoised) / sigma
    return Moved(start + (first + derivative) / 2 * distance)


def ddim(point: Point) -> Moved:
    """One step that keeps both estimates, of the clean latents and of the noise. Coefficients: two levels.

    Source: Song et al. 2020, arXiv:2010.02502, equation 12 with sigma_t = 0.
    """
    alpha, sigma, next_alpha, next_sigma = point.coefficients
    noise = (point.latents - alpha * point.denoised) / sigma
    return Moved(next_alpha * point.denoised + next_sigma * noise)


def euler_renoised(point: Point) -> Moved:
    """One step along the second estimate's slope, to the first one's signal. Coefficients: sigma, distance, alpha.

    Source: Chung et al. 2024, arXiv:2406.08070, Algorithm 2, for levels that Euler's method walks along.
    """
    *slope, alpha = point.coefficients
    second = second_estimate(point)
    along = euler(point._replace(denoised=second, coefficients=tuple(slope)))
    return Moved(along.latents + alpha * (point.denoised - second))


def euler_ancestral_renoised(point: Point) -> Moved:
    """The same to a lower level, and noise that leads back up. Coefficients: sigma, distance, alpha, noise to add.

    Source: Chung et al. 2024, arXiv:2406.08070, Algorithm 2, with the noise of `euler_ancestral`.
    """
    *down, up = point.coefficients
    below = euler_renoised(point._replace(coefficients=tuple(down)))
    return Moved(below.latents + given_noise(point) * up)


def ddim_renoised(point: Point) -> Moved:
    """DDIM's step with the noise of the second estimate. Coefficients: two levels.

    Source: Chung et al. 2024, arXiv:2406.08070, Algorithm 2.
    """
    alpha, sigma, next_alpha, next_sigma = point.coefficients
    noise = (point.latents - alpha * second_estimate(point)) / sigma
    return Moved(next_alpha * point.denoised + next_sigma * noise)


RENOISING_RULES: frozenset[Rule] = frozenset({euler_renoised, euler_ancestral_renoised, ddim_renoised})
"""The rules that take a second estimate."""


def second_estimate(point: Point) -> Tensor:
    """The estimate of a rule that takes its noise from another one than its signal."""
    if point.renoised is None:
        raise ValueError("This rule needs a second estimate.")
    return point.renoised


def given_noise(point: Point) -> Tensor:
    """The noise of a rule that adds some."""
    if point.noise is None:
        raise ValueError("This rule needs noise.")
    return point.noise
