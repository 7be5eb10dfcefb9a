"""What a worker says of itself: what it has done and how fast, what it has in memory, measured and proven."""

import time
from collections.abc import Sequence

from contract.certificates import ModelCertificate
from contract.costs import Cost, CostTable
from contract.liveness import Pulse
from contract.request import CompleteRequest
from worker.messages import Certified, Measured, OfWorker, Resident, Worked
from worker.stopwatch import Kind, Stopwatch


class Tally:
    """Counts over all children of one worker, and what the present one knows. Not for several threads."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._num_steps = 0
        self._num_forwards = 0
        self._num_rows = 0
        self._told_num_steps = 0
        self._told_at = time.monotonic()
        self._measured: dict[Kind, Cost] = {}
        self.stopwatch = Stopwatch()
        self.resident: tuple[str, ...] = ()
        self.certificates: tuple[ModelCertificate, ...] = ()

    @property
    def costs(self) -> CostTable:
        """What work costs on this worker: as its child has measured it, else as the parent has seen it."""
        return CostTable((self.stopwatch.costs | self._measured).values())

    def begin(self, default_model: str) -> None:
        """A child begins, with one model in memory."""
        self.resident = (default_model,)
        self.certificates = ()

    def hear(self, message: OfWorker, in_flight: Sequence[CompleteRequest]) -> bool:
        """Notes what the child says while there is one request in flight for every image; whether that is news."""
        match message:
            case Worked():
                return self._add(message, in_flight)
            case Resident(model_ids):
                self.resident = model_ids
            case Measured(costs):
                self._measured |= {(cost.model, cost.height, cost.width): cost for cost in costs}
            case Certified(certificates):
                self.certificates = certificates
        return True

    def pulse(self) -> Pulse:
        """The counts, and the steps per second since the last call."""
        now = time.monotonic()
        rate = (self._num_steps - self._told_num_steps) / max(now - self._told_at, 1e-3)
        self._told_num_steps, self._told_at = self._num_steps, now
        counts = (self._num_steps, self._num_forwards, self._num_rows)
        return Pulse(self._worker, *counts, round(rate, 3), self.resident)

    def _add(self, work: Worked, in_flight: Sequence[CompleteRequest]) -> bool:
        self._num_steps += work.num_steps
        self._num_forwards += work.num_forwards
        self._num_rows += work.num_rows
        num_known = self.stopwatch.num_kinds
        self.stopwatch.worked(work, in_flight, time.monotonic())
        return self.stopwatch.num_kinds > num_known
