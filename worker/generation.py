"""The live state of one image: where its latents are on their way, and all that its next step needs."""

from collections.abc import Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from contract.request import CompleteRequest
from worker.adapters import UNADAPTED, Adaptation
from worker.certificate import Shape
from worker.control import Control
from worker.guidance import needs_guidance
from worker.inputs import NO_INPUTS, Inputs
from worker.lane import LaneKey
from worker.latents import image_seq_len, seeded_generator
from worker.lexicon import Lexicon
from worker.prompt_cache import PromptCache, Wanted
from worker.samplers import SAMPLERS
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
    adaptation: Adaptation = UNADAPTED
    accepted_at: float = 0.0
    num_evaluations: int = 0
    step: int = 0
    memory: tuple[Tensor, ...] = ()
    denoised: Tensor | None = None
    watchers: set[str] = field(default_factory=set)
    previewed_step: int = 0
    turns_waited: int = 0

    @property
    def evaluation(self) -> Evaluation:
        """The next call of the network."""
        return self.schedule.evaluations[self.num_evaluations]

    @property
    def is_denoised(self) -> bool:
        """Whether nothing is left to do but to decode."""
        return self.num_evaluations == len(self.schedule.evaluations)

    @property
    def controls(self) -> tuple[Control, ...]:
        """What the rows of the next call are held to."""
        return self.adaptation.controls_in(self.step, self.schedule.evaluations[-1].step)

    @property
    def has_news(self) -> bool:
        """Whether somebody watches, and has not seen the last step."""
        return bool(self.watchers) and self.denoised is not None and self.previewed_step < self.step

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
            eager=self.pipeline.is_compiled and self.adaptation.is_steered,
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
    *,
    adaptation: Adaptation = UNADAPTED,
) -> Generation:
    """An image before its first step. Raises: UnsupportedScheduler, LimitExceeded."""
    generator = seeded_generator(request.seed)
    noise = pipeline.prepare_latents(request.height, request.width, generator)
    schedule = SAMPLERS[request.scheduler].schedule_for(
        pipeline.trained_noise, request.num_inference_steps, image_seq_len(noise)
    )
    return Generation(
        ids=[generation_id],
        request=request,
        pipeline=pipeline,
        schedule=schedule,
        embeds=_embeds(request, pipeline, prompts, adaptation),
        generator=generator,
        latents=noise * schedule.init_noise_sigma,
        adaptation=adaptation,
    )


def _truncation(field: str, embeds: PromptEmbeds) -> tuple[str, ...]:
    if embeds.num_tokens <= embeds.num_tokens_used:
        return ()
    return (f"{field} was cut: the model read {embeds.num_tokens_used} of its {embeds.num_tokens} tokens.",)


def _embeds(
    request: CompleteRequest, pipeline: StepwisePipeline, prompts: PromptCache, adaptation: Adaptation
) -> tuple[PromptEmbeds, ...]:
    positive = Wanted(request.prompt, negative=False)
    lexicon = Lexicon(request.prompt_syntax, adaptation.inversions, adaptation.accents)
    if pipeline.embeds_guidance or not needs_guidance(request.guidance_scale):
        return prompts.encode_prompts(pipeline, [positive], lexicon)
    return prompts.encode_prompts(pipeline, [Wanted(request.negative_prompt, negative=True), positive], lexicon)
