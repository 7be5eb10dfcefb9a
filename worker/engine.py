"""The denoising loop: many images at once, each at its own step, every tick one step further."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from contract.errors import GenerationFailed, SafelightError
from contract.request import CompleteRequest
from worker import batcher, images
from worker.batcher import Row
from worker.generation import Generation, start
from worker.images import pixels_of
from worker.prompt_cache import PromptCache
from worker.stepwise_pipeline import PromptEmbeds, StepwisePipeline

logger = logging.getLogger(__name__)

Pixels = images.Pixels
"""A picture in an event: (height, width, 3), uint8."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """A denoising step is complete; `step` counts from 1."""

    generation_id: str
    step: int


@dataclass(frozen=True, eq=False, slots=True)
class Previewed:
    """What the picture would be if it ended at this step."""

    generation_id: str
    step: int
    pixels: Pixels


@dataclass(frozen=True, eq=False, slots=True)
class Finished:
    """The picture is there, and the engine has forgotten it."""

    generation_id: str
    pixels: Pixels


@dataclass(frozen=True, eq=False, slots=True)
class Failed:
    """There will be no picture, and the engine has forgotten it."""

    generation_id: str
    error: SafelightError


Event = Progressed | Previewed | Finished | Failed


@dataclass(frozen=True, slots=True)
class Counters:
    """What has been done: denoising steps, forwards, and rows in those forwards that some image needed."""

    num_steps: int = 0
    num_forwards: int = 0
    num_rows: int = 0

    def __add__(self, other: Self) -> "Counters":
        return Counters(
            self.num_steps + other.num_steps, self.num_forwards + other.num_forwards, self.num_rows + other.num_rows
        )

    def __sub__(self, other: Self) -> "Counters":
        return Counters(
            self.num_steps - other.num_steps, self.num_forwards - other.num_forwards, self.num_rows - other.num_rows
        )


class Engine:
    """Images in flight. Not for several threads.

    Promise: the bits of a picture depend on its request, the model, `rows_per_forward` and the machine; not on the
             other images in flight. What goes wrong with one image ends that image only.
    """

    def __init__(self, pipeline_of: Callable[[str], StepwisePipeline], *, rows_per_forward: int) -> None:
        self._pipeline_of = pipeline_of
        self._rows_per_forward = rows_per_forward
        self._prompts = PromptCache()
        self._generations: dict[str, Generation] = {}
        self.counters = Counters()

    @property
    def has_work(self) -> bool:
        """Whether there is an image in flight."""
        return bool(self._generations)

    def add(self, generation_id: str, request: CompleteRequest) -> tuple[str, ...]:
        """Takes in the one image of a request, and returns what its client should be warned of.

        Raises: SafelightError, of whatever kind kept the image from starting.
        """
        with torch.inference_mode():
            try:
                generation = start(generation_id, request, self._pipeline_of(request.model), self._prompts)
            except SafelightError:
                raise
            except Exception as error:
                raise _unknown(generation_id, error) from error
        self._generations[generation_id] = generation
        return _warnings(generation)

    def abort(self, generation_id: str) -> None:
        """Forgets an image before its next step, if it is in flight."""
        self._generations.pop(generation_id, None)

    def set_previews(self, generation_id: str, wanted: bool) -> None:
        """Whether to show how an image comes along."""
        if generation_id in self._generations:
            self._generations[generation_id].wants_previews = wanted

    def step(self) -> list[Event]:
        """One tick: every image one evaluation further, and at most one picture decoded."""
        with torch.inference_mode():
            return [*self._denoise(), *self._decode()]

    def _denoise(self) -> Iterator[Event]:
        unfinished = [generation for generation in self._generations.values() if not generation.is_denoised]
        outputs: dict[Generation, list[Tensor | Exception]] = {generation: [] for generation in unfinished}
        for rows in batcher.chunks(unfinished, self._rows_per_forward):
            for row, output in zip(rows, self._forward(rows), strict=True):
                outputs[row.generation].append(output)
        for generation in unfinished:
            yield from self._advance(generation, outputs[generation])

    def _forward(self, rows: Sequence[Row]) -> Sequence[Tensor | Exception]:
        """The output of each row; when a forward raises, its generations go apart, so that only the culprit fails."""
        try:
            self.counters += Counters(num_forwards=1, num_rows=len(rows))
            return batcher.forward(rows, self._rows_per_forward)
        except Exception as error:
            generations = dict.fromkeys(row.generation for row in rows)
            if len(generations) == 1:
                return [error] * len(rows)
        apart = {one: iter(self._forward([row for row in rows if row.generation is one])) for one in generations}
        return [next(apart[row.generation]) for row in rows]

    def _advance(self, generation: Generation, outputs: Iterable[Tensor | Exception]) -> Iterator[Event]:
        try:
            if generation.advance(_raised(outputs)):
                self.counters += Counters(num_steps=1)
                yield Progressed(generation.id, generation.step)
        except Exception as error:
            yield self._failed(generation, error)

    def _decode(self) -> Iterator[Event]:
        waiting = self._generations.values()
        done = next((generation for generation in waiting if generation.is_denoised), None)
        if done is not None:
            yield self._finished(done)
            return
        watched = [generation for generation in waiting if generation.has_news]
        if watched:
            yield self._previewed(min(watched, key=lambda generation: generation.previewed_step))

    def _finished(self, generation: Generation) -> Event:
        try:
            pixels = pixels_of(generation.pipeline.decode_latents(generation.latents))
        except Exception as error:
            return self._failed(generation, error)
        del self._generations[generation.id]
        return Finished(generation.id, pixels)

    def _previewed(self, generation: Generation) -> Event:
        generation.previewed_step = generation.step
        try:
            estimate = generation.latents if generation.denoised is None else generation.denoised
            return Previewed(generation.id, generation.step, pixels_of(generation.pipeline.decode_latents(estimate)))
        except Exception as error:
            return self._failed(generation, error)

    def _failed(self, generation: Generation, error: Exception) -> Event:
        del self._generations[generation.id]
        return Failed(generation.id, error if isinstance(error, SafelightError) else _unknown(generation.id, error))


def _raised(outputs: Iterable[Tensor | Exception]) -> list[Tensor]:
    whole: list[Tensor] = []
    for output in outputs:
        if isinstance(output, Exception):
            raise output
        whole.append(output)
    return whole


def _unknown(generation_id: str, error: Exception) -> GenerationFailed:
    logger.error("generation %s failed", generation_id, exc_info=error)
    return GenerationFailed(f"The engine failed with {type(error).__name__}; the worker's log has the details.")


def _warnings(generation: Generation) -> tuple[str, ...]:
    *negative, positive = generation.embeds
    return (
        *_truncation("prompt", positive),
        *(line for embeds in negative for line in _truncation("negative_prompt", embeds)),
    )


def _truncation(field: str, embeds: PromptEmbeds) -> tuple[str, ...]:
    if embeds.num_tokens <= embeds.num_tokens_used:
        return ()
    return (f"{field} was cut: the model read {embeds.num_tokens_used} of its {embeds.num_tokens} tokens.",)
