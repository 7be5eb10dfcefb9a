"""The live state of one image: where its latents are on their way, and all that its next step needs."""

import time
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

from contract.costs import ROWS_PER_GRADIENT
from contract.request import CompleteRequest
from contract.traces import TraceAsked
from worker import editing
from worker.adapters import UNADAPTED, Adaptation
from worker.canvas import Canvas
from worker.certificate import Shape
from worker.control import Control
from worker.digests import Ingredients
from worker.guiders import Loaded, guided, parts_of
from worker.inputs import NO_INPUTS, Inputs
from worker.lane import LaneKey
from worker.latents import seeded_generator
from worker.lexicon import Lexicon
from worker.moments import Moment, Scales, asked_in, disturbed, moments_of
from worker.prompt_cache import PromptCache
from worker.recording import Recording, recording_of
from worker.schedules import Evaluation, Schedule
from worker.stages import Role, Stage, roles_in, stages_of
from worker.stepwise_pipeline import PromptEmbeds, StepwisePipeline

NOBODY = ""
"""The tenant where there are none."""


@dataclass(eq=False, slots=True)
class Generation:
    """One image in flight, for everybody in `ids` who asked for it, whose tenants these name; `watchers` want previews.

    `stages` says of each evaluation which rows it has; `moments` of each step what these are told. `momentum` is what
    guidance remembers. Shapes: latents, denoised and momentum (1, C, H, W), float32; memory likewise.
    Units: accepted_at in seconds of the engine's clock.
    """

    ids: dict[str, str]
    request: CompleteRequest
    pipeline: StepwisePipeline
    schedule: Schedule
    stages: tuple[Stage, ...]
    moments: tuple[Moment, ...]
    generator: torch.Generator
    latents: Tensor
    adaptation: Adaptation = UNADAPTED
    accepted_at: float = 0.0
    num_evaluations: int = 0
    step: int = 0
    memory: tuple[Tensor, ...] = ()
    momentum: Tensor | None = None
    denoised: Tensor | None = None
    watchers: set[str] = field(default_factory=set)
    previewed_step: int = 0
    turns_waited: int = 0
    canvas: Canvas | None = None
    recording: Recording | None = None
    total_rows: int = field(init=False)
    is_steered: bool = field(init=False)

    def __post_init__(self) -> None:
        """Counts the rows of all forwards that are this image's, and what takes as long; and whether any is steered."""
        self.total_rows = sum(len(one.roles) + ROWS_PER_GRADIENT * bool(one.energies) for one in self.stages)
        edited = self.canvas is not None and bool(self.canvas.steering)
        guided_so = any("perturbed" in one.roles for one in self.stages)
        intervened = any(one.steering_of(prompt=True) for one in self.moments)
        self.is_steered = self.adaptation.is_steered or edited or guided_so or intervened

    @property
    def key(self) -> Hashable:
        """What is equal where images are one: recorded runs are one with those that record the same."""
        return identity(self.request), None if self.recording is None else self.recording.asked

    @property
    def tenants(self) -> Collection[str]:
        """Whose image it is."""
        return dict.fromkeys(self.ids.values())

    @property
    def evaluation(self) -> Evaluation:
        """The next call of the network."""
        return self.schedule.evaluations[self.num_evaluations]

    @property
    def stage(self) -> Stage:
        """What the next call of the network takes."""
        return self.stages[self.num_evaluations]

    @property
    def moment(self) -> Moment:
        """What holds in the next step; in the last one, when all are done."""
        return self.moments[min(self.step, len(self.moments) - 1)]

    @property
    def embeds(self) -> Mapping[Role, PromptEmbeds]:
        """What each kind of row is told."""
        return self.moment.embeds

    @property
    def num_rows(self) -> int:
        """Rows of the next forward that are this image's."""
        return len(self.stage.roles)

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

    def constrain(self) -> None:
        """Puts back what of the canvas's latents must stay as it is."""
        if self.canvas is not None and self.canvas.original is not None:
            original = self.canvas.original
            self.latents = original.put_back(self.latents, self.schedule, self.num_evaluations, self.generator)

    def disturb(self) -> None:
        """Adds the noise that the next call is to begin with, where that is the first of its step."""
        here, steps = self.num_evaluations, self.schedule.steps
        if not self.is_denoised and (here == 0 or steps[here] > steps[here - 1]):
            self.latents = disturbed(self.request, steps[here], self.latents, self.evaluation.here)

    @property
    def ingredients(self) -> Ingredients:
        """The digests of what the picture is made from."""
        return Ingredients(self.pipeline.text_digest, self.pipeline.weights_digest, self.adaptation.digests)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the request the model cannot use."""
        unused = self.pipeline.embeds_guidance and any(one.negative_prompt for one in self.request.moments)
        told = [one.embeds for one in dict.fromkeys(self.moments)]
        cut = (
            *(warning for one in told for warning in _truncation("prompt", one["prompt"])),
            *(warning for one in told for warning in _truncation("negative_prompt", one.get("negative"))),
        )
        return (
            *dict.fromkeys(cut),
            *(() if self.canvas is None else self.canvas.warnings),
            *(["negative_prompt was not used: the model takes the guidance scale as an input."] if unused else []),
        )

    @property
    def lane_key(self) -> LaneKey:
        """What must be equal for rows to share a forward."""
        embeds = self.embeds["prompt"]
        pooled = embeds.pooled_prompt_embeds
        return LaneKey(
            self.request.model,
            self.request.height,
            self.request.width,
            Shape(
                (self.latents.shape[1] + self.pipeline.num_extra_channels, *self.latents.shape[2:]),
                tuple(embeds.prompt_embeds.shape[1:]),
                None if pooled is None else tuple(pooled.shape[1:]),
            ),
            eager=self.is_steered and self.pipeline.is_compiled,
        )


def identity(request: CompleteRequest) -> Hashable:
    """What the pixels of a request's one image depend on."""
    return request.model_dump_json(exclude={"metadata", "num_images", "output_format", "output_quality"})


def start(
    generation_id: str,
    request: CompleteRequest,
    pipeline: StepwisePipeline,
    prompts: PromptCache,
    inputs: Inputs = NO_INPUTS,
    *,
    classifiers: Loaded = MappingProxyType({}),
    adaptation: Adaptation = UNADAPTED,
    trace: TraceAsked | None = None,
) -> Generation:
    """An image before its first step; `inputs` and `classifiers` are those that the request names.

    `trace` is what is to be recorded of its run.

    Raises: UnsupportedScheduler, UnsupportedGuidance, UnsupportedClassifier, UnsupportedIntervention, LimitExceeded,
            DamagedFile, InvalidMask, InvalidRequest.
    """
    generator = seeded_generator(request.seed)
    begun = editing.begin(request, inputs, pipeline, generator)
    parts = (*parts_of(request, pipeline, classifiers), *begun.parts)
    schedule = guided(begun.schedule, request.guidance, parts).with_recurrence(request.num_resamplings)
    asked = asked_in(request, schedule.num_steps)
    scales = Scales(request, pipeline, parts)
    stages = stages_of([scales.parts(moment.guidance_scale) for moment in asked], schedule)
    lexicon = Lexicon(request.prompt_syntax, adaptation.inversions, adaptation.accents)
    began_at = time.perf_counter()
    generation = Generation(
        ids={generation_id: NOBODY},
        request=request,
        pipeline=pipeline,
        schedule=schedule,
        stages=stages,
        moments=moments_of(
            request, pipeline, prompts, lexicon, list(zip(asked, roles_in(stages, schedule), strict=True))
        ),
        generator=generator,
        adaptation=adaptation,
        latents=begun.latents,
        canvas=begun.canvas,
    )
    generation.disturb()
    if trace is not None:
        _record(trace, generation, lexicon, began_at)
    return generation


def _record(trace: TraceAsked, generation: Generation, lexicon: Lexicon, began_at: float) -> None:
    pipeline = generation.pipeline
    generation.recording = recording_of(
        trace, generation.request, pipeline, lexicon, generation.embeds["prompt"], began_at=began_at
    )
    compiled = pipeline.is_compiled and not generation.is_steered
    generation.recording.look_into(
        pipeline.network, generation.schedule.num_steps, generation.latents, compiled=compiled
    )


def _truncation(field: str, embeds: PromptEmbeds | None) -> tuple[str, ...]:
    if embeds is None or embeds.num_tokens <= embeds.num_tokens_used:
        return ()
    return (f"{field} was cut: the model read {embeds.num_tokens_used} of its {embeds.num_tokens} tokens.",)
