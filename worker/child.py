"""The child: owns the device and the models, and turns messages into engine calls and engine events into messages."""

import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection

import torch
import transformers

from contract.catalogue import Catalogue, ModelSpec, read_catalogue
from contract.errors import SafelightError
from contract.job import JobFailure
from contract.logs import configure_logs
from contract.request import CompleteRequest, GenerationRequest
from worker import events
from worker.adapters import Adapters
from worker.architecture import Draughtsman
from worker.certificate import CANDIDATES
from worker.certifier import Certifier
from worker.classifiers import Classifiers
from worker.devices import Placement, choose_placement, choose_steady_kernels, keep_compiled_in
from worker.engine import Engine, warnings_of
from worker.events import Event, Picture
from worker.finishing import Finishing, finishing_of
from worker.intake import Intake, Prepared, Refused, generation_id
from worker.loading import PipelineLoader
from worker.messages import (
    Abort,
    Drawn,
    Failed,
    Finished,
    Generate,
    Progressed,
    Ready,
    SetPreviews,
    ToChild,
    Warned,
)
from worker.outlet import Outlet
from worker.phases import Phases
from worker.residency import Load, Residency, default_budget_bytes, unwatched
from worker.result_cache import ResultCache
from worker.rows import BroughtRows, Rows
from worker.self_report import SelfReport
from worker.settings import WorkerSettings

logger = logging.getLogger(__name__)

Inbox = queue.SimpleQueue[ToChild | Prepared | Refused]
"""What the parent says, and what becomes of its orders."""

WITHHELD = "There are no previews: pictures are looked at before they are shown."


@dataclass
class Execution:
    """What is in flight of one Generate: the images still to come, and the steps done and the phases of each image."""

    request: CompleteRequest
    inputs: Mapping[str, bytes]
    waiting: set[int]
    wants_previews: bool = False
    steps: dict[int, int] = field(default_factory=dict)
    phases: dict[int, Phases] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Steps done over all images; those that were stored by an earlier execution count as done."""
        stored = self.request.num_images - len(self.waiting.union(self.steps))
        return stored * self.request.num_steps + sum(self.steps.values())

    def stepped(self, index: int, step: int) -> None:
        """An image has done this many steps."""
        before, self.steps[index] = self.steps.get(index, 0), min(step, self.request.num_steps)
        if before < self.steps[index] == self.request.num_steps:
            self.phases[index].end("denoise")


def serve(connection: Connection, settings: WorkerSettings) -> None:
    """Runs until the parent's end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    configure_logs(settings.worker_log_level, settings.log_format)
    torch.set_num_threads(settings.num_threads or os.cpu_count() or 1)
    choose_steady_kernels()
    transformers.utils.logging.disable_progress_bar()
    threading.excepthook = _end_process
    inbox = Inbox()
    _listen(connection, inbox)
    catalogue = read_catalogue(settings.catalogue)
    outlet = Outlet(connection)
    rows = BroughtRows(catalogue)
    draughtsman = Draughtsman(rows, lambda architecture: outlet.send(Drawn(architecture)))
    engine = engine_of(catalogue, settings, draughtsman.watching, rows=rows)
    child = Child(outlet, engine, inbox, finishing_of(catalogue, settings, rows), rows)
    warm_up(engine, catalogue.find(catalogue.default_model))
    outlet.send(Ready(tuple(spec.id for spec in catalogue.models)))
    while True:
        child.hear()
        child.work()


def engine_of(
    catalogue: Catalogue,
    settings: WorkerSettings,
    watching: Callable[[Load], Load] = unwatched,
    *,
    rows: Rows | None = None,
) -> Engine:
    """The engine that a worker with these settings runs; `watching` sees each model that is loaded.

    `rows` are the models that it may load, where these are not the catalogue's.
    """
    keep_compiled_in(settings.home.resolve() / "compiled")
    placement = choose_placement(compiled=settings.compile)
    candidates = CANDIDATES if settings.rows_per_forward is None else (settings.rows_per_forward,)
    certifier = Certifier(placement, settings.home / "certificates", candidates=candidates)
    results = ResultCache(settings.result_cache_bytes)
    models = models_of(rows or catalogue, settings, placement, watching)
    return Engine(
        models,
        certifier,
        results=results,
        classifiers=Classifiers(catalogue, placement),
        adapters=Adapters(catalogue.adapters, models),
    )


def models_of(
    rows: Rows, settings: WorkerSettings, placement: Placement, watching: Callable[[Load], Load]
) -> Residency:
    """The models that a worker with these settings has in memory."""
    loader = PipelineLoader(rows, placement)
    budget_bytes = settings.model_bytes or default_budget_bytes(placement)
    return Residency(
        watching(loader.load), lambda model: model.num_bytes, budget_bytes, expected_bytes=loader.expected_bytes
    )


def warm_up(engine: Engine, spec: ModelSpec) -> None:
    """Makes one picture of a model in one step: the proof that the device works, and then the first client waits for
    no measurement. Raises: SafelightError, when there is no picture.
    """
    request = spec.complete(GenerationRequest(prompt="a warm-up", num_inference_steps=1, seed=0))
    engine.add("warm-up", request)
    while engine.has_work:
        for event in engine.step():
            if isinstance(event, events.Failed):
                raise event.error


def _end_process(error: threading.ExceptHookArgs) -> None:
    """A thread that ends by an error would be waited for in vain: the process ends, and the next one does better."""
    logger.critical("a thread has ended", exc_info=error.exc_value)
    os._exit(1)


def _listen(connection: Connection, inbox: Inbox) -> None:
    def read() -> None:
        try:
            while True:
                inbox.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)  # The parent is gone, and with it the lease on everything in flight.

    threading.Thread(target=read, daemon=True, name="safelight-inbox").start()


class Child:
    """The engine's side of the conversation with the parent."""

    def __init__(self, outlet: Outlet, engine: Engine, inbox: Inbox, finishing: Finishing, rows: BroughtRows) -> None:
        self._engine = engine
        self._finishing = finishing
        self._rows = rows
        self._inbox = inbox
        self._intake = Intake(engine, inbox.put)
        self._outlet = outlet
        self._executions: dict[str, Execution] = {}
        self._report = SelfReport(engine, self._outlet.send)

    def hear(self) -> None:
        """Does what has been asked; waits for something to do when there is nothing."""
        if not self._engine.has_work:
            self._obey(self._inbox.get())
        while not self._inbox.empty():
            self._obey(self._inbox.get())

    def work(self) -> None:
        """One tick of the engine, and what came of it."""
        if not self._engine.has_work:
            return
        told = self._engine.step()
        self._tell_progress([event for event in told if isinstance(event, events.Progressed)])
        for event in told:
            self._tell(event)
        self._report.tick()

    # ---- what the parent says, and what becomes of its orders

    def _obey(self, message: ToChild | Prepared | Refused) -> None:
        match message:
            case Generate():
                if message.row is not None:
                    self._rows.bring(message.row)
                self._executions[message.execution_id] = Execution(
                    message.request, message.inputs, set(message.indexes)
                )
                self._intake.put(message)
            case Prepared():
                self._admit(message)
            case Refused(order, error):
                self._fail(order.execution_id, error)
            case Abort(execution_id):
                self._stop(execution_id)
            case SetPreviews(execution_id, wanted):
                self._set_previews(execution_id, wanted)

    def _admit(self, prepared: Prepared) -> None:
        execution_id = prepared.order.execution_id
        execution = self._executions.get(execution_id)
        if execution is None:
            self._engine.discard(prepared.image)
            return
        for warning in warnings_of(prepared.image):
            self._outlet.send(Warned(execution_id, warning))
        order = prepared.order
        execution.phases[prepared.index] = prepared.phases
        self._engine.admit(prepared.image, use_cache=order.use_cache, tenant=order.tenant)
        self._engine.set_previews(generation_id(execution_id, prepared.index), execution.wants_previews)

    def _set_previews(self, execution_id: str, wanted: bool) -> None:
        execution = self._executions.get(execution_id)
        if execution is not None and wanted and self._finishing.withholds_previews(execution.request.model):
            self._outlet.send(Warned(execution_id, WITHHELD))
            return
        if execution is not None:
            execution.wants_previews = wanted
        for index in self._waiting(execution_id):
            self._engine.set_previews(generation_id(execution_id, index), wanted)

    def _stop(self, execution_id: str) -> None:
        for index in self._waiting(execution_id):
            self._engine.abort(generation_id(execution_id, index))
        self._executions.pop(execution_id, None)

    def _fail(self, execution_id: str, error: SafelightError) -> None:
        self._stop(execution_id)
        self._outlet.send(Failed(execution_id, JobFailure.of(error)))

    def _waiting(self, execution_id: str) -> set[int]:
        execution = self._executions.get(execution_id)
        return execution.waiting if execution else set()

    # ---- what the engine says

    def _tell_progress(self, steps: Sequence[events.Progressed]) -> None:
        """One message a tick: the parent's time is taken from the forwards where they share the cores."""
        moved: dict[str, Execution] = {}
        for event in steps:
            execution_id, _, index = event.generation_id.rpartition(":")
            if execution := self._executions.get(execution_id):
                execution.stepped(int(index), event.step)
                moved[execution_id] = execution
        if moved:
            self._outlet.send(Progressed({execution_id: execution.step for execution_id, execution in moved.items()}))

    def _tell(self, event: Event) -> None:
        execution_id, _, index = event.generation_id.rpartition(":")
        execution = self._executions.get(execution_id)
        if execution is None:
            return
        match event:
            case events.Previewed(step=step, pixels=pixels):
                self._outlet.send_later(partial(self._finishing.preview, execution_id, int(index), step, pixels))
            case events.Finished(picture=picture):
                self._finish_image(execution_id, int(index), execution, picture)
            case events.Failed(error=error):
                self._fail(execution_id, error)

    def _finish_image(self, execution_id: str, index: int, execution: Execution, picture: Picture) -> None:
        execution.steps[index] = execution.request.num_steps
        execution.waiting.discard(index)
        phases = execution.phases.pop(index)
        phases.end("decode")
        finish = partial(self._finishing.image, execution_id, index, picture)
        request = execution.request.of_image(index)
        self._outlet.send_later(partial(finish, request=request, inputs=execution.inputs, phases=phases))
        if not execution.waiting:
            self._executions.pop(execution_id)
            self._outlet.send_later(partial(Finished, execution_id))
