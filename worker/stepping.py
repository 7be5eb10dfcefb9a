"""From the network's outputs to the next latents: the mathematics of one tick, for all of its images at once.

Rows are stacked and stepped together where they follow the same rule. Every operation here is elementwise, or is done
image by image, so no result depends on the rows beside it, and a picture has the bits that it would have alone.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from worker.bucket import Row
from worker.denoiser import DENOISERS, scale_model_input
from worker.devices import as_written
from worker.generation import Generation
from worker.gradients import Pulled, pulled
from worker.guidance import classifier_free
from worker.latents import draw_noise
from worker.perturbation import IdentityAttention
from worker.rules import RENOISING_RULES, Point, Rule, columns
from worker.sigmas import Level
from worker.stages import Outputs, Role, Seen
from worker.steering import Steering

STEERING: dict[Role, tuple[Steering, ...]] = {"perturbed": (IdentityAttention(),)}
"""What rows of some roles ask of the network beyond their prompts."""


SEES_PROMPT: tuple[Role, ...] = ("prompt", "perturbed")
"""Rows that a picture as a prompt belongs to."""


def rows_of(generations: Sequence[Generation]) -> list[Row]:
    """The rows of each image's next call that share a forward, each image's in the order of its roles."""
    inputs = scale_model_input(_stacked_latents(generations), _levels(generations)).split(1)
    return [
        row_of(generation, role, model_input)
        for model_input, generation in zip(inputs, generations, strict=True)
        for role in generation.stage.roles
    ]


def row_of(generation: Generation, role: Role, model_input: Tensor) -> Row:
    """One row of an image's next call. Shapes: model_input (1, C, H, W)."""
    canvas, recording = generation.canvas, generation.recording
    return Row(
        model_input if canvas is None else canvas.beside(model_input, role),
        generation.evaluation.timestep,
        generation.embeds[role],
        generation.moment.guidance_scale,
        (
            *generation.adaptation.steering_of(prompt=role in SEES_PROMPT),
            *generation.moment.steering_of(prompt=role in SEES_PROMPT),
            *STEERING.get(role, ()),
            *(canvas.steering if canvas is not None and role == "prompt" else ()),
            *(recording.steering(generation.step, prompt=role == "prompt") if recording is not None else ()),
        ),
        generation.controls,
    )


def pull(generation: Generation) -> Pulled | None:
    """What the image's energies make of it, in a forward of its own; None where it has none at its next call."""
    energies = generation.stage.energies
    if not energies:
        return None
    row = partial(row_of, generation, "prompt")
    with as_written(generation.pipeline.is_compiled):
        return pulled(generation.pipeline, row, generation.latents, generation.evaluation.here, energies)


def advance(
    generations: Sequence[Generation], outputs: Tensor | None, pulls: Sequence[Pulled | None] = ()
) -> list[bool]:
    """Takes every image one call further; says of each whether its latents are still finite numbers.

    Shapes: outputs (B, C, H, W), one for each row of `rows_of`, None without any; pulls has an entry an image, or none.
    """
    seen = _by_role(generations, outputs, pulls)
    latents, levels = _stacked_latents(generations), _levels(generations)
    estimate = DENOISERS[generations[0].pipeline.trained_noise.output]
    denoised = estimate(_predictions(generations, seen), latents, levels)
    momenta = _shift(generations, seen, denoised, pulls)
    _record(generations, seen, denoised)
    moved = torch.empty_like(latents)
    for indexes in _by_rule(generations).values():
        some = [generations[index] for index in indexes]
        renoised = _renoised(some, [seen[index] for index in indexes])
        moved[indexes] = _moved(some, latents[indexes], denoised[indexes], renoised)
    _go_back(generations, moved)
    for index, generation in enumerate(generations):
        generation.step = generation.evaluation.step
        generation.latents, generation.denoised = moved[index : index + 1], denoised[index : index + 1]
        generation.momentum = momenta[index]
        generation.num_evaluations += 1
        generation.constrain()
        generation.disturb()
    return torch.isfinite(moved).flatten(1).all(dim=1).tolist()


def _by_role(
    generations: Sequence[Generation], outputs: Tensor | None, pulls: Sequence[Pulled | None]
) -> list[dict[Role, Tensor]]:
    rows = iter(() if outputs is None else outputs.split(1))
    seen: list[dict[Role, Tensor]] = [{role: next(rows) for role in one.stage.roles} for one in generations]
    for some, own in zip(seen, pulls, strict=False):
        if own is not None:
            some["prompt"] = own.output
    return seen


def _predictions(generations: Sequence[Generation], seen: Sequence[Outputs]) -> Tensor:
    """One prediction an image, (n, C, H, W), from those of its rows."""
    predictions = torch.cat([outputs["prompt"] for outputs in seen])
    pairs = [index for index, generation in enumerate(generations) if generation.stage.scale is not None]
    if pairs:
        scales = torch.tensor([generations[index].stage.scale for index in pairs], device=predictions.device)
        unconditional = torch.cat([seen[index]["negative"] for index in pairs])
        predictions[pairs] = classifier_free(unconditional, predictions[pairs], scales.view(-1, 1, 1, 1))
    for index, generation in enumerate(generations):
        for mixing in generation.stage.mixings:
            predictions[index : index + 1] = mixing(predictions[index : index + 1], seen[index])
    return predictions


def _shift(
    generations: Sequence[Generation],
    seen: Sequence[Outputs],
    denoised: Tensor,
    pulls: Sequence[Pulled | None],
) -> list[Tensor | None]:
    """Moves the estimates, (n, C, H, W), in place, image by image; returns what guidance remembers of each."""
    momenta = [generation.momentum for generation in generations]
    for index, own in enumerate(pulls):
        if own is not None:
            denoised[index : index + 1] += own.shift
    for index, generation in enumerate(generations):
        for shifting in generation.stage.shiftings:
            found = shifting(_seen(generation, seen[index]))
            denoised[index : index + 1] += found.shift
            if generation.recording is not None:
                generation.recording.heard(generation.step, found.said)
            momenta[index] = momenta[index] if found.memory is None else found.memory
    return momenta


def _record(generations: Sequence[Generation], seen: Sequence[Outputs], denoised: Tensor) -> None:
    """Has the recordings of images see this call. Shapes: denoised (n, C, H, W)."""
    for index, generation in enumerate(generations):
        if generation.recording is not None:
            estimate = denoised[index : index + 1]
            generation.recording.saw(generation.step, generation.evaluation, generation.latents, estimate, seen[index])


def _seen(generation: Generation, outputs: Outputs) -> Seen:
    estimate = DENOISERS[generation.pipeline.trained_noise.output]
    here = generation.evaluation.here

    def estimated(output: Tensor) -> Tensor:
        return estimate(output, generation.latents, here)

    return Seen(generation.latents, here, outputs, estimated, generation.momentum)


def _renoised(generations: Sequence[Generation], seen: Sequence[Outputs]) -> Tensor | None:
    """The estimates that rules with a second one take the noise of, (n, C, H, W)."""
    if generations[0].evaluation.rule not in RENOISING_RULES:
        return None
    return torch.cat([_seen(*pair).estimate(pair[1]["negative"]) for pair in zip(generations, seen, strict=True)])


def _go_back(generations: Sequence[Generation], moved: Tensor) -> None:
    """Takes latents, (n, C, H, W), in place to where they came from, if their step is to be made again."""
    for index, generation in enumerate(generations):
        if (back := generation.evaluation.back) is not None:
            kept, added = (number.to(moved.device) for number in back)
            moved[index : index + 1] = kept * moved[index : index + 1] + added * _fresh_noise(generation)


def _by_rule(generations: Sequence[Generation]) -> dict[Rule, list[int]]:
    indexes: dict[Rule, list[int]] = {}
    for index, generation in enumerate(generations):
        indexes.setdefault(generation.evaluation.rule, []).append(index)
    return indexes


def _moved(generations: Sequence[Generation], latents: Tensor, denoised: Tensor, renoised: Tensor | None) -> Tensor:
    evaluations = [generation.evaluation for generation in generations]
    coefficients = columns([evaluation.coefficients for evaluation in evaluations], latents.device)
    memory = tuple(torch.cat(kept) for kept in zip(*(generation.memory for generation in generations), strict=True))
    point = Point(latents, denoised, coefficients, memory, _noise(generations), renoised)
    moved = evaluations[0].rule(point)
    kept = [torch.split(values, 1) for values in moved.memory]
    for index, generation in enumerate(generations):
        generation.memory = tuple(values[index] for values in kept)
    return moved.latents


def _noise(generations: Sequence[Generation]) -> Tensor | None:
    if not generations[0].evaluation.needs_noise:
        return None
    return torch.cat([_fresh_noise(generation) for generation in generations])


def _fresh_noise(generation: Generation) -> Tensor:
    return draw_noise(tuple(generation.latents.shape), generation.generator, generation.latents.device)


def _stacked_latents(generations: Sequence[Generation]) -> Tensor:
    return torch.cat([generation.latents for generation in generations])


def _levels(generations: Sequence[Generation]) -> Level:
    return Level(*columns([generation.evaluation.here for generation in generations], generations[0].latents.device))
