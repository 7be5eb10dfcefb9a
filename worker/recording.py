"""What is recorded of one run while it is made, and handed on with its picture."""

import logging
import time
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor, nn

from contract.request import CompleteRequest
from contract.traces import TraceAsked
from worker.gradients import Said
from worker.images import Pixels, pixels_of
from worker.inputs import tensor_of
from worker.latents import seeded_generator
from worker.lexicon import Lexicon
from worker.schedules import Evaluation
from worker.stages import Outputs
from worker.steering import Steering
from worker.stepwise_pipeline import PromptEmbeds, StepwisePipeline
from worker.tokens import NO_LEGEND, Legend, legend_of
from worker.trained_noise import Output
from worker.watching import Watch

logger = logging.getLogger(__name__)

COMPILED = "attention was not recorded: the network is compiled, and cannot be looked into while it runs."
UNSEEN = "attention was not recorded: the network could not be looked into."
NO_ROUND_TRIP = "autoencoder was not recorded: the picture could not be encoded again."
SWAPPED = "Another prompt is read in some steps; tokens, and maps by tokens, are of the first step's."


@dataclass(frozen=True, eq=False, slots=True)
class StepSeen:
    """A step at its first call of the network. `prompted` and `unprompted` are raw predictions.

    Shapes: each tensor (1, C, H, W); on the CPU once the run has ended.
    """

    evaluation: Evaluation
    latents: Tensor
    denoised: Tensor
    prompted: Tensor | None
    unprompted: Tensor | None

    def to_cpu(self) -> Self:
        """The same, off the device."""
        tensors = {name: getattr(self, name) for name in ("latents", "denoised", "prompted", "unprompted")}
        return replace(self, **{name: one.cpu() for name, one in tensors.items() if one is not None})


@dataclass(eq=False, slots=True)
class Recording:
    """One run. For one thread at a time; when it has ended, it changes no more.

    `states` are the text encoder's, `output` is what the network predicts; `pixels` are those that the autoencoder
    made, before any edit, and `again` the same encoded and decoded again.
    Shapes: states (1, L, D), latents as a step's.
    Promise: no bit of the image depends on it, and no fault of it ends the image.
    """

    asked: TraceAsked
    request: CompleteRequest
    legend: Legend
    states: Tensor
    output: Output
    watch: Watch | None
    began_at: float
    text_seconds: float
    notes: list[str] = field(default_factory=list)
    steps: dict[int, StepSeen] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    said: dict[int, Said] = field(default_factory=dict)
    latents: Tensor | None = None
    pixels: Pixels | None = None
    again: Pixels | None = None
    called_at: float | None = None
    decode_seconds: float = 0.0
    total_seconds: float = 0.0

    def look_into(self, network: nn.Module, num_steps: int, latents: Tensor, *, compiled: bool) -> None:
        """Has the network watched in so many steps; compiled ones pass by whoever looks."""
        if self.asked.attention and compiled:
            self.notes.append(COMPILED)
        elif self.asked.attention:
            self.watch = Watch(network, self.legend.positions, num_steps, (latents.shape[2], latents.shape[3]))

    def steering(self, step: int, *, prompt: bool) -> tuple[Steering, ...]:
        """A row of a step is being made: what looks at it; the prompt's is looked at in a step's first call."""
        self.called_at = time.perf_counter() if self.called_at is None else self.called_at
        return () if self.watch is None or not prompt or step in self.steps else (self.watch,)

    def saw(self, step: int, evaluation: Evaluation, latents: Tensor, denoised: Tensor, outputs: Outputs) -> None:
        """A call of the network and the estimate that was made of it; of each step the first is kept."""
        self._end_call(step)
        if step in self.steps:
            return
        both = (outputs["prompt"], outputs.get("negative")) if self.asked.guidance else (None, None)
        self.steps[step] = StepSeen(evaluation, latents, denoised.clone(), *both)
        if self.watch is not None:
            self.watch.end_step()
        if self.watch is not None and self.watch.failed:
            self.watch = None
            self.notes.append(UNSEEN)

    def heard(self, step: int, said: Said | None) -> None:
        """What a classifier that guides says of a step; the first one is kept."""
        if said is not None and self.asked.guidance:
            self.said.setdefault(step, said)

    def _end_call(self, step: int) -> None:
        now = time.perf_counter()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - (self.called_at or now)
        self.called_at = None

    def decoded(self, pixels: Pixels, seconds: float) -> None:
        """A picture of the latents; the last one is the run's."""
        self.pixels, self.decode_seconds = pixels, seconds

    def end(self, pipeline: StepwisePipeline, latents: Tensor) -> None:
        """The run has ended with these latents, and is decoded: what is left is done, and the device let go."""
        self.total_seconds = time.perf_counter() - self.began_at
        if self.asked.autoencoder:
            self._go_round(pipeline)
        if self.watch is not None:
            self.watch.to_cpu()
        self.latents, self.states = latents.cpu(), self.states.cpu()
        self.steps = {step: seen.to_cpu() for step, seen in sorted(self.steps.items())}

    def _go_round(self, pipeline: StepwisePipeline) -> None:
        """Encodes the picture and decodes it again; with the image's seed, where the autoencoder allows a choice."""
        if self.pixels is None:
            return
        try:
            generator = seeded_generator(self.request.seed)
            again = pipeline.encode_picture(tensor_of(self.pixels), generator)
            self.again = pixels_of(pipeline.decode_latents(again))
        except torch.AcceleratorError:
            raise
        except Exception as error:
            logger.error("the picture cannot be encoded again", exc_info=error)
            self.notes.append(NO_ROUND_TRIP)


def recording_of(
    asked: TraceAsked,
    request: CompleteRequest,
    pipeline: StepwisePipeline,
    lexicon: Lexicon,
    embeds: PromptEmbeds,
    *,
    began_at: float,
) -> Recording:
    """A recording of a run whose prompts have been read since `began_at`; `embeds` are those of its first step's."""
    text_seconds = time.perf_counter() - began_at
    named = asked.text or asked.attention
    legend = legend_of(pipeline.readers[0], request.moments[0].prompt, lexicon) if named else NO_LEGEND
    return Recording(
        asked=asked,
        request=request,
        legend=legend,
        states=embeds.prompt_embeds,
        output=pipeline.trained_noise.output,
        watch=None,
        began_at=began_at,
        text_seconds=text_seconds,
        notes=[SWAPPED] if len({moment.prompt for moment in request.moments}) > 1 else [],
    )
