"""From the network's outputs to the next latents: the mathematics of one tick, for all of its images at once.

Rows are stacked and stepped together where they follow the same rule. Every operation here is elementwise, and its
result for a row does not depend on the rows beside it, so a picture has the bits that it would have alone.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from worker.bucket import Row
from worker.denoiser import DENOISERS, scale_model_input
from worker.generation import Generation
from worker.guidance import classifier_free
from worker.latents import draw_noise
from worker.rules import Point, Rule, columns
from worker.sigmas import Level


def rows_of(generations: Sequence[Generation]) -> list[Row]:
    """The rows of each image's next call, in order: without the prompt, where there is guidance, then with it."""
    inputs = scale_model_input(_stacked_latents(generations), _levels(generations)).split(1)
    return [
        Row(model_input, generation.evaluation.timestep, embeds, generation.request.guidance_scale)
        for model_input, generation in zip(inputs, generations, strict=True)
        for embeds in generation.embeds
    ]


def advance(generations: Sequence[Generation], outputs: Tensor) -> list[bool]:
    """Takes every image one call further; says of each whether its latents are still finite numbers.

    Shapes: outputs (B, C, H, W), one for each row of `rows_of`.
    """
    denoise = DENOISERS[generations[0].pipeline.trained_noise.output]
    latents = _stacked_latents(generations)
    denoised = denoise(guided(generations, outputs), latents, _levels(generations))
    moved = torch.empty_like(latents)
    for indexes in _by_rule(generations).values():
        some = [generations[index] for index in indexes]
        moved[indexes] = _moved(some, latents[indexes], denoised[indexes])
    for generation, there, estimate in zip(generations, moved.split(1), denoised.split(1), strict=True):
        generation.step = generation.evaluation.step
        generation.latents, generation.denoised = there, estimate
        generation.num_evaluations += 1
        generation.constrain()
    return torch.isfinite(moved).flatten(1).all(dim=1).tolist()


def guided(generations: Sequence[Generation], outputs: Tensor) -> Tensor:
    """One prediction an image, (n, C, H, W), from those of its rows, (B, C, H, W)."""
    ends = torch.tensor([len(generation.embeds) for generation in generations]).cumsum(0) - 1
    predictions = outputs[ends.to(outputs.device)]
    pairs = [index for index, generation in enumerate(generations) if len(generation.embeds) == 2]
    if pairs:
        scales = torch.tensor([generations[index].request.guidance_scale for index in pairs], device=outputs.device)
        unconditional = outputs[ends[pairs].to(outputs.device) - 1]
        predictions[pairs] = classifier_free(unconditional, predictions[pairs], scales.view(-1, 1, 1, 1))
    return predictions


def _by_rule(generations: Sequence[Generation]) -> dict[Rule, list[int]]:
    indexes: dict[Rule, list[int]] = {}
    for index, generation in enumerate(generations):
        indexes.setdefault(generation.evaluation.rule, []).append(index)
    return indexes


def _moved(generations: Sequence[Generation], latents: Tensor, denoised: Tensor) -> Tensor:
    evaluations = [generation.evaluation for generation in generations]
    coefficients = columns([evaluation.coefficients for evaluation in evaluations], latents.device)
    memory = tuple(torch.cat(kept) for kept in zip(*(generation.memory for generation in generations), strict=True))
    moved = evaluations[0].rule(Point(latents, denoised, coefficients, memory, _noise(generations)))
    kept = [torch.split(values, 1) for values in moved.memory]
    for index, generation in enumerate(generations):
        generation.memory = tuple(values[index] for values in kept)
    return moved.latents


def _noise(generations: Sequence[Generation]) -> Tensor | None:
    if not generations[0].evaluation.needs_noise:
        return None
    return torch.cat([draw_noise(tuple(one.latents.shape), one.generator, one.latents.device) for one in generations])


def _stacked_latents(generations: Sequence[Generation]) -> Tensor:
    return torch.cat([generation.latents for generation in generations])


def _levels(generations: Sequence[Generation]) -> Level:
    return Level(*columns([generation.evaluation.here for generation in generations], generations[0].latents.device))
