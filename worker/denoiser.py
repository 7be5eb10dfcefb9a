"""What a network's raw output means: from epsilon, v or velocity to an estimate of the clean latents."""

from collections.abc import Callable

from torch import Tensor

from worker.sigmas import Level
from worker.trained_noise import Output


def scale_model_input(latents: Tensor, level: Level) -> Tensor:
    """The latents as the network is used to see them.

    Shapes: latents (n, C, H, W), the numbers of the level () or (n, 1, 1, 1); result like latents.
    Source: Karras et al. 2022, arXiv:2206.00364, Table 1, c_in.
    """
    return latents / level.input_variance**0.5


def from_epsilon(noise_pred: Tensor, latents: Tensor, level: Level) -> Tensor:
    """The clean latents, from the noise in them.

    Shapes: noise_pred and latents (n, C, H, W), the numbers of the level () or (n, 1, 1, 1); result like latents.
    Source: Song et al. 2020, arXiv:2010.02502, equation 9.
    """
    return (latents - level.sigma * noise_pred) / level.alpha


def from_v_prediction(v_pred: Tensor, latents: Tensor, level: Level) -> Tensor:
    """The clean latents, from v.

    Shapes: v_pred and latents (n, C, H, W), the numbers of the level () or (n, 1, 1, 1); result like latents.
    Source: Salimans & Ho 2022, arXiv:2202.00512, section 4; with alpha = 1 it is
            Karras et al. 2022, arXiv:2206.00364, equation 7 with c_skip and c_out of v.
    """
    return v_pred * (-level.sigma / level.input_variance**0.5) + latents * level.alpha / level.input_variance


def from_flow(velocity: Tensor, latents: Tensor, level: Level) -> Tensor:
    """The clean latents, from the velocity towards noise.

    Shapes: velocity and latents (n, C, H, W), the numbers of the level () or (n, 1, 1, 1); result like latents.
    Source: Liu et al. 2022, arXiv:2209.03003, equation 1, with noise at sigma = 1.
    """
    return latents - level.sigma * velocity


DENOISERS: dict[Output, Callable[[Tensor, Tensor, Level], Tensor]] = {
    "epsilon": from_epsilon,
    "v_prediction": from_v_prediction,
    "flow": from_flow,
}
