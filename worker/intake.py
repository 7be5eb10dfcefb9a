"""The child's way in: on a thread of its own, models are loaded and prompts encoded while images are denoised."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from contract.errors import SafelightError
from worker import engine
from worker.engine import Engine
from worker.messages import Generate
from worker.phases import Phases


@dataclass(frozen=True, eq=False, slots=True)
class Prepared:
    """An image that may be admitted to the engine."""

    order: Generate
    index: int
    image: engine.Prepared
    phases: Phases = field(default_factory=Phases)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an execution cannot start."""

    order: Generate
    error: SafelightError


class Intake:
    """Prepares one order after the other and tells `done` of each image; the first error ends an order."""

    def __init__(self, engine: Engine, done: Callable[[Prepared | Refused], None]) -> None:
        self._engine = engine
        self._done = done
        self._orders: queue.SimpleQueue[Generate] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True, name="safelight-intake").start()

    def put(self, order: Generate) -> None:
        """Takes an order; what comes of it is told later."""
        self._orders.put(order)

    def _work(self) -> None:
        while True:
            self._prepare(self._orders.get())

    def _prepare(self, order: Generate) -> None:
        for index in order.indexes:
            phases = Phases()
            try:
                name = generation_id(order.execution_id, index)
                image = self._engine.prepare(name, order.request.of_image(index), order.inputs, order.trace)
            except SafelightError as error:
                self._done(Refused(order, error))
                return
            phases.end("encode text")
            self._done(Prepared(order, index, image, phases))


def generation_id(execution_id: str, index: int) -> str:
    """The engine's name for one image of an execution."""
    return f"{execution_id}:{index}"
