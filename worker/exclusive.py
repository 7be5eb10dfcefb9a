"""Pipelines that cannot be stepped through: each picture has the device to itself, from its first step to its last."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contract.errors import GenerationFailed
from contract.request import CompleteRequest
from worker.digests import Ingredients
from worker.events import Event, Failed, Finished, Picture, Progressed, failure_of
from worker.images import Pixels
from worker.pipelines.whole import WholePipeline


@dataclass(eq=False, slots=True)
class WholeRun:
    """One picture of a whole pipeline. Units: accepted_at in seconds of the engine's clock."""

    id: str
    request: CompleteRequest
    pipeline: WholePipeline
    accepted_at: float = 0.0
    step: int = 0


class Exclusive:
    """Whole runs, one after the other, first come, first served. Not for several threads.

    The pipeline works on a thread of its own, which is let go on for one step with every call of `step`; between steps
    it holds still, so progress is told and an end is heard as with any other image.
    """

    def __init__(self, release: Callable[[WholeRun], None]) -> None:
        self._release = release
        self._runs: list[WholeRun] = []
        self._running = False
        self._going_on: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._reached: queue.SimpleQueue[int | Pixels | Exception | None] = queue.SimpleQueue()

    @property
    def has_work(self) -> bool:
        """Whether there is a run."""
        return bool(self._runs)

    def admit(self, run: WholeRun) -> None:
        """Takes a run in."""
        self._runs.append(run)

    def abort(self, run_id: str) -> None:
        """Forgets a run; the one in the making stops where it is."""
        for run in [run for run in self._runs if run.id == run_id]:
            if self._running and run is self._runs[0]:
                self._going_on.put(False)
                self._reached.get()
            self._forget(run)

    def is_due(self, oldest: float | None) -> bool:
        """Whether the device is a run's: one is in the making, or waits, and everything else came later than it."""
        return self.has_work and (self._running or oldest is None or oldest > self._runs[0].accepted_at)

    def step(self) -> Iterator[Event]:
        """One step of the first run, and what came of it."""
        run = self._runs[0]
        match self._next(run):
            case int(step):
                if step > run.step:
                    run.step = step
                    yield Progressed(run.id, step)
            case Exception() as error:
                self._forget(run)
                yield Failed(run.id, failure_of([run.id], error))
            case None:
                self._forget(run)
                yield Failed(run.id, GenerationFailed("The pipeline ended without a picture."))
            case pixels:
                self._forget(run)
                yield Finished(run.id, Picture(pixels, None, Ingredients("", run.pipeline.weights_digest)))

    def _next(self, run: WholeRun) -> int | Pixels | Exception | None:
        if self._running:
            self._going_on.put(True)
        else:
            self._running = True
            threading.Thread(target=self._make, args=(run,), daemon=True, name="safelight-whole").start()
        return self._reached.get()

    def _make(self, run: WholeRun) -> None:
        try:
            self._reached.put(run.pipeline.generate(run.request, self._on_step))
        except Exception as error:
            self._reached.put(error)

    def _on_step(self, step: int) -> bool:
        self._reached.put(step)
        return self._going_on.get()

    def _forget(self, run: WholeRun) -> None:
        if run is self._runs[0]:
            self._running = False
        self._runs.remove(run)
        self._release(run)
