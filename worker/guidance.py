"""How two predictions, with and without the prompt, become one."""

from torch import Tensor


def classifier_free(unconditional: Tensor, conditional: Tensor, guidance_scale: Tensor | float) -> Tensor:
    """The prediction pushed away from the unconditional one.

    Shapes: both predictions (n, C, H, W), guidance_scale (n, 1, 1, 1) or one for all; result like the predictions.
    Source: Ho & Salimans 2022, arXiv:2207.12598, equation 6, with guidance_scale = w + 1.
    """
    return unconditional + guidance_scale * (conditional - unconditional)


def needs_guidance(guidance_scale: float) -> bool:
    """Whether a scale asks for the unconditional prediction at all."""
    return guidance_scale > 1.0
