"""The live state of one image: where its latents are on their way, and all that its next step needs."""

from collections.abc import Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from contract.request import CompleteRequest
from worker import editing
from worker.canvas import Canvas
from worker.certificate import Shape
from worker.guidance import needs_guidance
from worker.inputs import NO_INPUTS, Inputs
from worker.lane import LaneKey
from worker.latents import seeded_generator
from worker.prompt_cache import PromptCache
from worker.schedules import Evaluation, Schedule
from worker.stepwise_pipeline import PromptEmbeds, StepwisePipeline


@dataclass(eq=False, slots=True)
class Generation:
    """One image in flight, for everybody in `ids` who asked for it; `watchers` are those who want previews.

    Shapes: latents and denoised (1, C, H, W), float32; memory likewise. `embeds` has one entry a row: the negative
    prompt's, where there is guidance, then the prompt's. Units: accepted_at in seconds of the engine's clock.
    """

    ids: list[str]
    request: CompleteRequest
    pipeline: StepwisePipeline
    schedule: Schedule
    embeds: tuple[PromptEmbeds, ...]
    generator: torch.Generator
    latents: Tensor
    accepted_at: float = 0.0
    num_evaluations: int = 0
    step: int = 0
    memory: tuple[Tensor, ...] = ()
    denoised: Tensor | None = None
    watchers: set[str] = field(default_factory=set)
    previewed_step: int = 0
    turns_waited: int = 0
    canvas: Canvas | None = None

    @property
    def evaluation(self) -> Evaluation:
        """The next call of the network."""
        return self.schedule.evaluations[self.num_evaluations]

    @property
    def is_denoised(self) -> bool:
        """Whether nothing is left to do but to decode."""
        return self.num_evaluations == len(self.schedule.evaluations)

    @property
    def has_news(self) -> bool:
        """Whether somebody watches, and has not seen the last step."""
        return bool(self.watchers) and self.denoised is not None and self.previewed_step < self.step

    def constrain(self) -> None:
        """Puts back what of the canvas's latents must stay as it is."""
        if self.canvas is not None:
            self.latents = self.canvas.constrained(self.latents, self.schedule, self.num_evaluations, self.generator)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the request the model cannot use."""
        *negative, positive = self.embeds
        unused = self.request.negative_prompt if self.pipeline.embeds_guidance else ""
        return (
            *_truncation("prompt", positive),
            *(line for embeds in negative for line in _truncation("negative_prompt", embeds)),
            *(["negative_prompt was not used: the model takes the guidance scale as an input."] if unused else []),
        )

    @property
    def lane_key(self) -> LaneKey:
        """What must be equal for rows to share a forward."""
        pooled = self.embeds[0].pooled_prompt_embeds
        return LaneKey(
            self.request.model,
            self.request.height,
            self.request.width,
            Shape(
                tuple(self.latents.shape[1:]),
                tuple(self.embeds[0].prompt_embeds.shape[1:]),
                None if pooled is None else tuple(pooled.shape[1:]),
            ),
        )


def identity(request: CompleteRequest) -> Hashable:
    """What the pixels of a request's one image depend on."""
    return request.model_dump_json(exclude={"metadata", "num_images", "output_format"})


def start(
    generation_id: str,
    request: CompleteRequest,
    pipeline: StepwisePipeline,
    prompts: PromptCache,
    inputs: Inputs = NO_INPUTS,
) -> Generation:
    """An image before its first step.

    Raises: UnsupportedScheduler, LimitExceeded, DamagedFile, InvalidMask, UnsupportedEdit.
    """
    generator = seeded_generator(request.seed)
    begun = editing.begin(request, inputs, pipeline, generator)
    return Generation(
        ids=[generation_id],
        request=request,
        pipeline=pipeline,
        schedule=begun.schedule,
        embeds=_embeds(request, pipeline, prompts),
        generator=generator,
        latents=begun.latents,
        canvas=begun.canvas,
    )


def _truncation(field: str, embeds: PromptEmbeds) -> tuple[str, ...]:
    if embeds.num_tokens <= embeds.num_tokens_used:
        return ()
    return (f"{field} was cut: the model read {embeds.num_tokens_used} of its {embeds.num_tokens} tokens.",)


def _embeds(request: CompleteRequest, pipeline: StepwisePipeline, prompts: PromptCache) -> tuple[PromptEmbeds, ...]:
    positive = prompts.encode_prompt(pipeline, request.prompt, negative=False)
    if pipeline.embeds_guidance or not needs_guidance(request.guidance_scale):
        return (positive,)
    return prompts.encode_prompt(pipeline, request.negative_prompt, negative=True), positive
