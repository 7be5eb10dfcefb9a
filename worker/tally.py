"""What a worker says of itself: what it has done and how fast, what it has in memory, measured and proven."""

import time

from contract.architecture import Architecture
from contract.certificates import ModelCertificate
from contract.costs import Cost, CostTable
from contract.liveness import Pulse
from worker.messages import Certified, Drawn, Measured, OfWorker, Resident, Worked


class Tally:
    """Counts over all children of one worker, and what the present one knows. Not for several threads."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._num_steps = 0
        self._num_forwards = 0
        self._num_rows = 0
        self._told_num_steps = 0
        self._told_at = time.monotonic()
        self._measured: dict[tuple[str, int, int], Cost] = {}
        self.resident: tuple[str, ...] = ()
        self.certificates: tuple[ModelCertificate, ...] = ()
        self.architectures: dict[str, Architecture] = {}

    @property
    def costs(self) -> CostTable:
        """What work costs on this worker, as its child has measured it."""
        return CostTable(self._measured.values())

    @property
    def row_cap(self) -> int:
        """Rows that fill the device: the most that any of the measured forwards takes."""
        return max((certificate.row_cap for certificate in self.certificates), default=2)

    def begin(self, default_model: str) -> None:
        """A child begins, with one model in memory."""
        self.resident = (default_model,)
        self.certificates = ()

    def hear(self, message: OfWorker) -> None:
        """Notes what the child says."""
        match message:
            case Worked():
                self._num_steps += message.num_steps
                self._num_forwards += message.num_forwards
                self._num_rows += message.num_rows
            case Resident(model_ids):
                self.resident = model_ids
            case Measured(costs):
                self._measured |= {(cost.model, cost.height, cost.width): cost for cost in costs}
            case Certified(certificates):
                self.certificates = certificates
            case Drawn(architecture):
                self.architectures[architecture.model] = architecture

    def pulse(self, *, in_quarantine: bool = False, can_store: bool = True) -> Pulse:
        """The counts, and the steps per second since the last call."""
        now = time.monotonic()
        rate = (self._num_steps - self._told_num_steps) / max(now - self._told_at, 1e-3)
        self._told_num_steps, self._told_at = self._num_steps, now
        counts = (self._num_steps, self._num_forwards, self._num_rows)
        return Pulse(self._worker, *counts, round(rate, 3), self.resident, in_quarantine, can_store)
