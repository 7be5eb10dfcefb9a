"""The child of the worker under test: it waits before it admits an image, and some prompts are its ruin."""

from multiprocessing.connection import Connection
from typing import Any

from tests.faults.holds import Holds
from worker.settings import WorkerSettings


def run(connection: Connection, settings: WorkerSettings) -> None:
    """The child's whole life. It comes from the fork server, which knows the child's real code only."""
    from worker.child import serve

    place(Holds.of_environment())
    serve(connection, settings)


def place(holds: Holds) -> None:
    """Puts the points into the code of the child, and what misbehaves around its models."""
    from tests.faults.builds.failing_device import FailingDevice
    from tests.worker.misbehaving.all_of_them import misbehaving
    from worker.engine import Engine
    from worker.loading import PipelineLoader

    admit, load = Engine.admit, PipelineLoader.load

    def held_admit(self: Engine, *args: Any, **named: Any) -> None:
        if self.counters.num_steps:
            holds.wait("joining")
        admit(self, *args, **named)

    Engine.admit = held_admit  # type: ignore[method-assign]
    PipelineLoader.load = lambda self, model_id: FailingDevice(  # type: ignore[assignment, method-assign]
        misbehaving(load(self, model_id)), holds.broken
    )
