"""The denoising loop: many images in flight, each at its own step; every tick is one forward that they share."""

import time
from collections.abc import Callable, Hashable, Iterator, Sequence

import torch
from torch import Tensor

from contract.errors import NonFiniteLatents
from contract.request import CompleteRequest
from contract.traces import TraceAsked
from worker import batcher, stepping
from worker.adapters import Adapters
from worker.counters import Counters
from worker.darkroom import developed, finished
from worker.events import Event, Failed, Finished, Previewed, Progressed, failure_of
from worker.exclusive import Exclusive, WholeRun
from worker.generation import NOBODY, Generation, start
from worker.gradients import Pulled
from worker.guiders import classifiers_of
from worker.images import Pixels
from worker.inputs import NO_INPUTS, Inputs
from worker.lane import Lane
from worker.lanes import Certify, Lanes
from worker.pipelines.whole import WholePipeline
from worker.prompt_cache import PromptCache
from worker.result_cache import ResultCache
from worker.shares import Shares
from worker.sources import ClassifierSource, Models, NoClassifiers

Prepared = Generation | WholeRun
"""An image that may be admitted."""


class Engine:
    """Images in flight. `prepare` may be called by any one thread beside the one that calls the rest.

    Promise: where a lane's certificate says `exact`, the bits of a picture depend on its request, the model and the
             certificate; not on the other images in flight. What goes wrong with one image ends that image only.
             A tenant with few images in flight waits for little more than it would without the many of another.
    """

    def __init__(
        self,
        models: Models,
        certify: Certify,
        *,
        prompts: PromptCache | None = None,
        results: ResultCache | None = None,
        classifiers: ClassifierSource | None = None,
        adapters: Adapters | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = models
        self._prompts = prompts or PromptCache()
        self._results = results or ResultCache(0)
        self._classifiers = classifiers or NoClassifiers()
        self._adapters = adapters or Adapters((), models)
        self._clock = clock
        self._generations: dict[Hashable, Generation] = {}
        self._lanes = Lanes(certify)
        self._decodes = Shares()
        self._exclusive = Exclusive(self.discard)
        self._known: list[Finished] = []
        self.counters = Counters()

    @property
    def has_work(self) -> bool:
        """Whether there is an image in flight, or one to be told of."""
        return bool(self._generations or self._known or self._exclusive.has_work)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Of every model and size that has been measured."""
        return self._lanes.measured

    @property
    def resident(self) -> tuple[str, ...]:
        """The models in memory."""
        return self._models.resident

    # ---- taking in

    def add(
        self, generation_id: str, request: CompleteRequest, inputs: Inputs = NO_INPUTS, *, tenant: str = NOBODY
    ) -> tuple[str, ...]:
        """Prepares and admits the one image of a request. Raises: as `prepare`."""
        prepared = self.prepare(generation_id, request, inputs)
        self.admit(prepared, tenant=tenant)
        return warnings_of(prepared)

    def prepare(
        self, generation_id: str, request: CompleteRequest, inputs: Inputs = NO_INPUTS, trace: TraceAsked | None = None
    ) -> Prepared:
        """An image that is ready to be admitted: its model is held, its prompts are encoded, its noise is drawn.

        `inputs` has the bytes of the files that the request names; `trace` is what is to be recorded of its run.
        Raises: SafelightError, of whatever kind kept the image from starting.
        """
        try:
            model = self._models.acquire(request.model)
        except Exception as error:
            raise failure_of([generation_id], error) from error
        if isinstance(model, WholePipeline):
            return WholeRun(generation_id, request, model)
        try:
            known = {name: self._classifiers.load(name, request.model) for name in classifiers_of(request)}
            with self._adapters.adapted(request, model, inputs) as own, torch.inference_mode():
                return start(
                    generation_id, request, model, self._prompts, inputs, classifiers=known, adaptation=own, trace=trace
                )
        except Exception as error:
            self._models.release(request.model)
            raise failure_of([generation_id], error) from error

    def admit(self, prepared: Prepared, *, use_cache: bool = True, tenant: str = NOBODY) -> None:
        """Takes a prepared image of a tenant in; one that is in flight or remembered already is not made twice."""
        prepared.accepted_at = self._clock()
        if isinstance(prepared, WholeRun):
            self._exclusive.admit(prepared)
        else:
            prepared.ids = dict.fromkeys(prepared.ids, tenant)
            self._admit(prepared, use_cache)

    def _admit(self, generation: Generation, use_cache: bool) -> None:
        key = generation.key
        picture = self._results.get(key) if use_cache else None
        if picture is not None:
            self._known += [Finished(generation_id, picture) for generation_id in generation.ids]
        elif key in self._generations:
            self._generations[key].ids |= generation.ids
        else:
            self._generations[key] = generation
            return
        self.discard(generation)

    def discard(self, prepared: Prepared) -> None:
        """Lets a prepared image go that nobody wants any more."""
        if isinstance(prepared, Generation):
            self._adapters.release(prepared.adaptation)
        self._models.release(prepared.request.model)

    def abort(self, generation_id: str) -> None:
        """Forgets who asked for an image, and the image before its next step if nobody else did."""
        self._known = [event for event in self._known if event.generation_id != generation_id]
        self._exclusive.abort(generation_id)
        generation = self._find(generation_id)
        if generation is not None:
            del generation.ids[generation_id]
            generation.watchers.discard(generation_id)
            if not generation.ids:
                self._forget(generation)

    def set_previews(self, generation_id: str, wanted: bool) -> None:
        """Whether to show how an image comes along."""
        generation = self._find(generation_id)
        if generation is not None and wanted:
            generation.watchers.add(generation_id)
        elif generation is not None:
            generation.watchers.discard(generation_id)

    def _find(self, generation_id: str) -> Generation | None:
        return next((one for one in self._generations.values() if generation_id in one.ids), None)

    def _forget(self, generation: Generation) -> None:
        del self._generations[generation.key]
        self.discard(generation)

    # ---- working

    def step(self) -> list[Event]:
        """One tick: one lane's most urgent images one evaluation further, and at most one picture decoded."""
        known, self._known = self._known, []
        if self._exclusive.is_due(min((one.accepted_at for one in self._generations.values()), default=None)):
            return [*known, *self._exclusive.step()]
        with torch.inference_mode():
            return [*known, *self._denoise(), *self._decode()]

    def _denoise(self) -> Iterator[Event]:
        turn = self._lanes.next(one for one in self._generations.values() if not one.is_denoised)
        if turn is None:
            return
        lane = turn.lane
        if lane.certificate is None:
            yield from self._measure(lane, turn.waiting)
            return
        started_at = time.perf_counter()
        yield from self._advance(lane, batcher.select(turn.waiting, lane.pace, lane.shares))
        seconds = time.perf_counter() - started_at
        turn.end(seconds)
        self.counters += Counters(tick_seconds=seconds)

    def _measure(self, lane: Lane, waiting: Sequence[Generation]) -> Iterator[Event]:
        try:
            lane.measure()
        except Exception as error:
            self._lanes.forget(lane)
            for generation in waiting:
                yield from self._failed(generation, error)

    def _advance(self, lane: Lane, generations: Sequence[Generation]) -> Iterator[Event]:
        try:
            outputs = self._forward(lane, generations)
            pulls = [self._pull(lane, generation) for generation in generations]
            steps = [generation.step for generation in generations]
            finite = stepping.advance(generations, outputs, pulls)
        except Exception as error:
            yield from self._advance_apart(lane, generations, error)
            return
        for generation, before, is_finite in zip(generations, steps, finite, strict=True):
            if is_finite:
                yield from self._stepped(generation, before)
            else:
                message = f"The latents became NaN or infinite in step {generation.step}."
                yield from self._failed(generation, NonFiniteLatents(message))

    def _advance_apart(self, lane: Lane, generations: Sequence[Generation], error: Exception) -> Iterator[Event]:
        """When a forward raises, its images go on alone, so that only the culprit fails."""
        lane.forget_rows()
        if len(generations) == 1:
            yield from self._failed(generations[0], error)
            return
        for generation in generations:
            yield from self._advance(lane, [generation])

    def _forward(self, lane: Lane, generations: Sequence[Generation]) -> Tensor | None:
        rows = stepping.rows_of(generations)
        if not rows:
            return None
        started_at = time.perf_counter()
        outputs = lane.forward(generations[0].pipeline, rows)
        self.counters += Counters(num_forwards=1, num_rows=len(rows), forward_seconds=time.perf_counter() - started_at)
        return outputs

    def _pull(self, lane: Lane, generation: Generation) -> Pulled | None:
        """An image's own forward, where it needs a gradient through the network; its seconds are the lane's."""
        started_at = time.perf_counter()
        own = stepping.pull(generation)
        if own is not None:
            seconds = lane.charge(started_at)
            lane.owe(generation.tenants, seconds)
            self.counters += Counters(num_forwards=1, num_rows=1, forward_seconds=seconds)
        return own

    def _stepped(self, generation: Generation, before: int) -> Iterator[Event]:
        if generation.step > before:
            self.counters += Counters(num_steps=1)
            yield from [Progressed(generation_id, generation.step) for generation_id in generation.ids]

    # ---- pictures

    def _decode(self) -> Iterator[Event]:
        done = [generation for generation in self._generations.values() if generation.is_denoised]
        if done:
            yield from self._finished(batcher.first(done, self._decodes))
            return
        watched = [one for one in self._generations.values() if one.has_news and not self._owes(one)]
        if watched:
            yield from self._previewed(min(watched, key=lambda generation: generation.previewed_step))

    def _owes(self, generation: Generation) -> bool:
        return self._lanes.of(generation).shares.owes(generation.tenants)

    def _finished(self, generation: Generation) -> Iterator[Event]:
        pixels = self._decoded(generation, generation.latents)
        if isinstance(pixels, Exception):
            yield from self._failed(generation, pixels)
            return
        picture = finished(self._lanes.of(generation), generation, pixels)
        if generation.recording is None:
            self._results.put(generation.key, picture)
        self._forget(generation)
        yield from [Finished(generation_id, picture) for generation_id in generation.ids]

    def _previewed(self, generation: Generation) -> Iterator[Event]:
        generation.previewed_step = generation.step
        estimate = generation.latents if generation.denoised is None else generation.denoised
        pixels = self._decoded(generation, estimate)
        if isinstance(pixels, Exception):
            yield from self._failed(generation, pixels)
            return
        for generation_id in sorted(generation.watchers):
            yield Previewed(generation_id, generation.step, pixels)

    def _decoded(self, generation: Generation, latents: Tensor) -> Pixels | Exception:
        try:
            return developed(self._lanes.of(generation), generation, latents)
        except Exception as error:
            return error

    def _failed(self, generation: Generation, error: Exception) -> Iterator[Event]:
        self._forget(generation)
        known = failure_of(list(generation.ids), error)
        for generation_id in generation.ids:
            yield Failed(generation_id, known)


def warnings_of(prepared: Prepared) -> tuple[str, ...]:
    """What a client should know of an image before it is made."""
    return prepared.pipeline.warnings(prepared.request) if isinstance(prepared, WholeRun) else prepared.warnings
