"""The live state of one image: where its latents are on their way, and all that its next step needs."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contract.errors import NonFiniteLatents
from contract.request import CompleteRequest
from worker.denoiser import DENOISERS, scale_model_input
from worker.guidance import classifier_free, needs_guidance
from worker.latents import draw_noise, image_seq_len, seeded_generator
from worker.prompt_cache import PromptCache
from worker.rules import Point, columns
from worker.samplers import SAMPLERS
from worker.schedules import Evaluation, Schedule
from worker.sigmas import Level
from worker.stepwise_pipeline import PromptEmbeds, StepwisePipeline


@dataclass(eq=False, slots=True)
class Generation:
    """One image in flight.

    Shapes: latents and denoised (1, C, H, W), float32. `embeds` has one entry a row: the negative prompt's, where there
    is guidance, then the prompt's.
    """

    id: str
    request: CompleteRequest
    pipeline: StepwisePipeline
    schedule: Schedule
    embeds: tuple[PromptEmbeds, ...]
    generator: torch.Generator
    latents: Tensor
    num_evaluations: int = 0
    step: int = 0
    memory: tuple[Tensor, ...] = ()
    denoised: Tensor | None = None
    wants_previews: bool = False
    previewed_step: int = 0

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
        return self.wants_previews and self.denoised is not None and self.previewed_step < self.step

    @property
    def batch_key(self) -> Hashable:
        """What must be equal for rows to share a forward: the model, the size, the length of the text."""
        return self.request.model, self.latents.shape, self.embeds[0].prompt_embeds.shape

    @property
    def model_input(self) -> Tensor:
        """The latents as the network is to see them, (1, C, H, W)."""
        return scale_model_input(self.latents, self._level)

    @property
    def _level(self) -> Level:
        return Level(*columns([self.evaluation.here], self.latents.device))

    def advance(self, outputs: Sequence[Tensor]) -> bool:
        """Uses the network's outputs, one a row, each (1, C, H, W); says whether that completed a denoising step.

        Raises: NonFiniteLatents.
        """
        evaluation = self.evaluation
        output = outputs[0]
        if len(outputs) == 2:
            output = classifier_free(outputs[0], outputs[1], self.request.guidance_scale)
        denoised = DENOISERS[self.pipeline.trained_noise.output](output, self.latents, self._level)
        noise = self._noise() if evaluation.needs_noise else None
        coefficients = columns([evaluation.coefficients], self.latents.device)
        moved = evaluation.rule(Point(self.latents, denoised, coefficients, self.memory, noise))
        if not torch.isfinite(moved.latents).all():
            raise NonFiniteLatents(f"The latents became NaN or infinite in step {self.step + 1}.")
        completed = evaluation.step > self.step
        self.latents, self.memory, self.denoised = moved.latents, moved.memory, denoised
        self.num_evaluations, self.step = self.num_evaluations + 1, evaluation.step
        return completed

    def _noise(self) -> Tensor:
        return draw_noise(tuple(self.latents.shape), self.generator, self.latents.device)


def start(generation_id: str, request: CompleteRequest, pipeline: StepwisePipeline, prompts: PromptCache) -> Generation:
    """An image before its first step. Raises: UnsupportedScheduler, LimitExceeded."""
    generator = seeded_generator(request.seed)
    noise = pipeline.prepare_latents(request.height, request.width, generator)
    schedule = SAMPLERS[request.scheduler].schedule_for(
        pipeline.trained_noise, request.num_inference_steps, image_seq_len(noise)
    )
    return Generation(
        id=generation_id,
        request=request,
        pipeline=pipeline,
        schedule=schedule,
        embeds=_embeds(request, pipeline, prompts),
        generator=generator,
        latents=noise * schedule.init_noise_sigma,
    )


def _embeds(request: CompleteRequest, pipeline: StepwisePipeline, prompts: PromptCache) -> tuple[PromptEmbeds, ...]:
    positive = prompts.encode_prompt(request.model, pipeline, request.prompt, negative=False)
    if not needs_guidance(request.guidance_scale):
        return (positive,)
    return prompts.encode_prompt(request.model, pipeline, request.negative_prompt, negative=True), positive
