"""How predictions become one: the formulas of guidance, each of its paper, for any number of images at once."""

import math

import torch
from torch import Tensor

from worker.sigmas import Level


def classifier_free(unconditional: Tensor, conditional: Tensor, guidance_scale: Tensor | float) -> Tensor:
    """The prediction pushed away from the unconditional one.

    Shapes: both predictions (n, C, H, W), guidance_scale (n, 1, 1, 1) or one for all; result like the predictions.
    Source: Ho & Salimans 2022, arXiv:2207.12598, equation 6, with guidance_scale = w + 1; and
            Chung et al. 2024, arXiv:2406.08070, equation 11, with guidance_scale = lambda.
    """
    return unconditional + guidance_scale * (conditional - unconditional)


def needs_guidance(guidance_scale: float) -> bool:
    """Whether a scale asks for the unconditional prediction at all."""
    return guidance_scale > 1.0


def rescaled(guided: Tensor, conditional: Tensor, rescale: float) -> Tensor:
    """A guided prediction with as much of its deviation taken back to that of the conditional one.

    Shapes: both (1, C, H, W); result likewise.
    Source: Lin et al. 2023, arXiv:2305.08891, equations 15 and 16; must equal `rescale_noise_cfg` of diffusers.
    """
    axes = tuple(range(1, guided.ndim))
    matched = guided * (conditional.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True))
    return rescale * matched + (1 - rescale) * guided


def perturbed_attention(prediction: Tensor, conditional: Tensor, perturbed: Tensor, scale: float) -> Tensor:
    """A prediction pushed away from what the network says without its self-attention.

    Shapes: each (n, C, H, W); result likewise.
    Source: Ahn et al. 2024, arXiv:2403.17377, equation 16, and with classifier-free guidance equation 17.
    """
    return prediction + scale * (conditional - perturbed)


def adaptive_projected(
    conditional: Tensor, difference: Tensor, scale: float, eta: float, norm_threshold: float
) -> Tensor:
    """What APG adds to the conditional estimate: the difference, shortened, with less of what lies along the estimate.

    Shapes: the conditional estimate and its difference from the unconditional one (1, C, H, W); result likewise.
    Source: Sadat et al. 2024, arXiv:2410.02416, equation 7 (projection), equation 10 (length), and Algorithm 1.
    """
    if norm_threshold > 0:
        difference = difference * min(1.0, norm_threshold / max(length(difference), TINY))
    direction = conditional / max(length(conditional), TINY)
    along = (difference.double() * direction.double()).sum().to(difference.dtype) * direction
    return (scale - 1) * (difference - along + eta * along)


def averaged(difference: Tensor, before: Tensor | None, momentum: float) -> Tensor:
    """The running sum of differences. Source: Sadat et al. 2024, arXiv:2410.02416, equation 9, from 0."""
    return difference if before is None else difference + momentum * before


TINY = 1e-12


def length(values: Tensor) -> float:
    """The Euclidean norm of one image. Shapes: values (1, C, H, W)."""
    return float(values.double().norm())


def tilted(gradient: Tensor, level: Level, max_shift: float) -> Tensor:
    """What a gradient of a log-probability by the latents adds to the estimate of the clean latents.

    No more than `max_shift`, as the root of the mean square: the clean latents' own deviation is about 1, and between
    two means of them, which the shift is where the scale is 1, there is hardly more. Nothing where there is no signal.
    Shapes: gradient (1, C, H, W), the level (); result like the gradient.
    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, Algorithm 2: epsilon less sigma × gradient, in terms of
            Song et al. 2020, arXiv:2010.02502, equation 9.
    """
    alpha = float(level.alpha)
    if alpha == 0.0:
        return torch.zeros_like(gradient)
    shift = gradient * (float(level.sigma) ** 2 / alpha)
    size = length(shift) / math.sqrt(shift.numel())
    return shift if size <= max_shift else shift * (max_shift / size)


def way_done(level: Level) -> float:
    """How far a level is on the way from noise, 0, to the picture, 1.

    Source: the angle of Salimans & Ho 2022, arXiv:2202.00512, section 4, as a part of the right angle.
    """
    return 1.0 - math.atan2(float(level.sigma), float(level.alpha)) / (math.pi / 2)
