"""What a worker has done since it started, and how fast it has been lately."""

import time

from contract.liveness import Pulse
from worker.messages import Worked


class Tally:
    """Counts over all children of one worker. Not for several threads."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._num_steps = 0
        self._num_forwards = 0
        self._num_rows = 0
        self._told_num_steps = 0
        self._told_at = time.monotonic()

    def add(self, work: Worked) -> None:
        """Adds what the engine says it did."""
        self._num_steps += work.num_steps
        self._num_forwards += work.num_forwards
        self._num_rows += work.num_rows

    def pulse(self) -> Pulse:
        """The counts, and the steps per second since the last call."""
        now = time.monotonic()
        rate = (self._num_steps - self._told_num_steps) / max(now - self._told_at, 1e-3)
        self._told_num_steps, self._told_at = self._num_steps, now
        return Pulse(self._worker, self._num_steps, self._num_forwards, self._num_rows, round(rate, 3))
