"""The child: owns the device and the models, and turns messages into engine calls and engine events into messages."""

import logging
import os
import queue
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch
import transformers

from contract.catalogue import read_catalogue
from contract.errors import SafelightError
from contract.job import JobFailure
from contract.request import CompleteRequest
from worker import engine as engines
from worker.engine import Engine
from worker.images import encode, encode_preview
from worker.loading import PipelineLoader
from worker.messages import (
    Abort,
    Failed,
    Finished,
    Generate,
    ImageFinished,
    Previewed,
    Progressed,
    Ready,
    SetPreviews,
    ToChild,
    ToParent,
    Warned,
    Worked,
)
from worker.settings import WorkerSettings

logger = logging.getLogger(__name__)


@dataclass
class Execution:
    """What is in flight of one Generate: the images still to come, and the steps done over all images."""

    request: CompleteRequest
    waiting: set[int]
    step: int


def serve(connection: Connection, settings: WorkerSettings) -> None:
    """Runs until the parent's end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(level=settings.worker_log_level, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    torch.set_num_threads(settings.num_threads or os.cpu_count() or 1)
    transformers.utils.logging.disable_progress_bar()
    inbox = _listen(connection)
    catalogue = read_catalogue(settings.catalogue)
    loader = PipelineLoader(catalogue)
    child = Child(connection, Engine(loader, rows_per_forward=settings.rows_per_forward or loader.rows_per_forward))
    loader(catalogue.default_model)
    connection.send(Ready(tuple(spec.id for spec in catalogue.models)))
    while True:
        child.hear(inbox)
        child.work()


def _listen(connection: Connection) -> "queue.SimpleQueue[ToChild]":
    inbox: queue.SimpleQueue[ToChild] = queue.SimpleQueue()

    def read() -> None:
        try:
            while True:
                inbox.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)  # The parent is gone, and with it the lease on everything in flight.

    threading.Thread(target=read, daemon=True, name="safelight-inbox").start()
    return inbox


class Child:
    """The engine's side of the conversation with the parent."""

    def __init__(self, connection: Connection, engine: Engine) -> None:
        self._connection = connection
        self._engine = engine
        self._executions: dict[str, Execution] = {}
        self._said = engine.counters

    def hear(self, inbox: "queue.SimpleQueue[ToChild]") -> None:
        """Does what has been asked; waits for something to do when there is nothing."""
        if not self._engine.has_work:
            self._obey(inbox.get())
        while not inbox.empty():
            self._obey(inbox.get())

    def work(self) -> None:
        """One tick of the engine, and what came of it."""
        if not self._engine.has_work:
            return
        for event in self._engine.step():
            self._tell(event)
        done = self._engine.counters - self._said
        self._said = self._engine.counters
        self._send(Worked(num_steps=done.num_steps, num_forwards=done.num_forwards, num_rows=done.num_rows))

    def _obey(self, message: ToChild) -> None:
        match message:
            case Generate():
                self._start(message)
            case Abort(execution_id):
                self._stop(execution_id)
            case SetPreviews(execution_id, wanted):
                for index in self._waiting(execution_id):
                    self._engine.set_previews(_generation_id(execution_id, index), wanted)

    def _start(self, message: Generate) -> None:
        request = message.request
        done = request.num_images - len(message.indexes)
        self._executions[message.execution_id] = Execution(
            request, set(message.indexes), step=done * request.num_inference_steps
        )
        try:
            for index in message.indexes:
                generation_id = _generation_id(message.execution_id, index)
                for warning in self._engine.add(generation_id, request.of_image(index)):
                    self._send(Warned(message.execution_id, warning))
        except SafelightError as error:
            self._fail(message.execution_id, error)

    def _stop(self, execution_id: str) -> None:
        for index in self._waiting(execution_id):
            self._engine.abort(_generation_id(execution_id, index))
        self._executions.pop(execution_id, None)

    def _waiting(self, execution_id: str) -> set[int]:
        execution = self._executions.get(execution_id)
        return execution.waiting if execution else set()

    def _tell(self, event: engines.Event) -> None:
        execution_id, _, index = event.generation_id.rpartition(":")
        execution = self._executions.get(execution_id)
        if execution is None:
            return
        match event:
            case engines.Progressed():
                execution.step += 1
                self._send(Progressed(execution_id, execution.step))
            case engines.Previewed(step=step, pixels=pixels):
                self._send(Previewed(execution_id, int(index), step, encode_preview(pixels)))
            case engines.Finished(pixels=pixels):
                self._finish_image(execution_id, int(index), execution, pixels)
            case engines.Failed(error=error):
                self._fail(execution_id, error)

    def _finish_image(self, execution_id: str, index: int, execution: Execution, pixels: engines.Pixels) -> None:
        height, width = pixels.shape[:2]
        encoded = encode(pixels, execution.request.of_image(index))
        self._send(ImageFinished(execution_id, index, width, height, encoded))
        execution.waiting.discard(index)
        if not execution.waiting:
            self._executions.pop(execution_id)
            self._send(Finished(execution_id))

    def _fail(self, execution_id: str, error: SafelightError) -> None:
        self._stop(execution_id)
        self._send(Failed(execution_id, JobFailure.of(error)))

    def _send(self, message: ToParent) -> None:
        self._connection.send(message)


def _generation_id(execution_id: str, index: int) -> str:
    return f"{execution_id}:{index}"
