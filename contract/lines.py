"""The lines in which jobs wait: each has a queue, leases, turns and indices of its own, and workers of its own."""

from dataclasses import dataclass
from typing import Literal

LineName = Literal["generations", "fine_tunes"]


@dataclass(frozen=True, slots=True)
class Line:
    """One of them. `rq_function` is what its jobs name in RQ's records, where nobody calls it."""

    name: LineName
    rq_function: str

    @property
    def queue(self) -> str:
        """RQ's queue of the jobs that wait."""
        return f"rq:queue:{self.name}"

    def key(self, name: str) -> str:
        """Where what is the line's own is kept; those of `generations` are older than lines, as in `prelude.lua`."""
        return f"safelight:{name}" if self.name == "generations" else f"safelight:{self.name}:{name}"


GENERATIONS = Line("generations", "worker.rq_worker.generate")
FINE_TUNES = Line("fine_tunes", "worker.rq_worker.teach")
LINES = (GENERATIONS, FINE_TUNES)
