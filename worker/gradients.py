"""Gradients through the network: one image at a time, in a forward of its own, so that its bits depend on nobody."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from worker.bucket import Row
from worker.classifiers import LatentsClassifier
from worker.denoiser import DENOISERS, scale_model_input
from worker.guidance import tilted
from worker.sigmas import Level
from worker.stepwise_pipeline import Conditioning, StepwisePipeline


class Energy(Protocol):
    """How little a picture is as it is wanted: pictures become likelier in proportion to exp(-energy).

    `max_shift` bounds how far one evaluation moves the clean latents, as the root of the mean square; they have a
    deviation of about 1.
    """

    @property
    def max_shift(self) -> float:
        """The bound."""
        ...

    def __call__(self, denoised: Tensor, level: Level) -> Tensor:
        """The energy of an estimate of the clean latents, differentiable. Shapes: denoised (1, C, H, W), result ()."""
        ...


MAX_SHIFT = 2.0
"""How far guidance by gradients moves the clean latents in one evaluation, as the root of the mean square.

They have a deviation of about 1, so two pictures that have nothing in common are the root of 2 apart.
"""


class Pulled(NamedTuple):
    """The network's raw output for the prompt's row, and what energies add to the estimate. Shapes: (1, C, H, W)."""

    output: Tensor
    shift: Tensor


def pulled(
    pipeline: StepwisePipeline,
    row: Callable[[Tensor], Row],
    latents: Tensor,
    level: Level,
    energies: Sequence[Energy],
) -> Pulled:
    """What the energies make of one image; `row` is the prompt's row of the input that the network is to see.

    Epsilon moves by sigma × the gradient of the energy by the latents, whatever the network predicts.
    Shapes: latents (1, C, H, W), the level ().
    Source: Bansal et al. 2023, arXiv:2302.07121, equation 6; Chung et al. 2023, arXiv:2209.14687, equation 16.
    """
    with differentiable():
        variable = latents.clone().requires_grad_()
        here = Level(*(number.clone() for number in level))
        asked = row(scale_model_input(variable, here))
        output = pipeline.denoise(asked.model_input, asked.timestep.clone().reshape(1), _conditioning(asked))
        denoised = DENOISERS[pipeline.trained_noise.output](output, variable, here)
        energy = torch.stack([energy(denoised, here).reshape(()) for energy in energies]).sum()
        (gradient,) = torch.autograd.grad(energy, variable)
    shift = tilted(-gradient, level, sum(energy.max_shift for energy in energies))
    return Pulled(output.detach(), shift)


class Said(NamedTuple):
    """What a classifier says of noisy latents: a label's log-probability, and its gradient by them.

    Shapes: log_probability (), None where the latents have no signal; gradient (1, C, H, W).
    """

    log_probability: Tensor | None
    gradient: Tensor


def of_log_probability(classifier: LatentsClassifier, label: str, latents: Tensor, level: Level) -> Said:
    """A label's log-probability for noisy latents, and its gradient by them; zero where they have no signal.

    Shapes: latents (1, C, H, W), the level ().
    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, Algorithm 2, for latents that are not of variance one.
    """
    if float(level.alpha) == 0.0:
        return Said(None, torch.zeros_like(latents))
    deviation = math.hypot(float(level.alpha), float(level.sigma))
    with differentiable():
        variable = (latents / deviation).clone().requires_grad_()
        here = Level(*(number.clone() for number in level))
        log_probability = classifier.log_probability(variable, here, label).sum()
        (gradient,) = torch.autograd.grad(log_probability, variable)
    return Said(log_probability.detach(), gradient / deviation)


@contextmanager
def differentiable() -> Iterator[None]:
    """Within: gradients are recorded, even in the engine's inference mode, and by kernels that repeat themselves."""
    with torch.inference_mode(False), torch.enable_grad(), torch.backends.cudnn.flags(deterministic=True):
        yield


def _conditioning(row: Row) -> Conditioning:
    pooled = row.embeds.pooled_prompt_embeds
    return Conditioning(
        row.embeds.prompt_embeds.clone(),
        None if pooled is None else pooled.clone(),
        torch.tensor([row.guidance_scale], device=row.model_input.device),
        [row.steering],
        [row.controls],
    )
