"""What a worker's parent has in flight, and whether there is room for more."""

from contract.costs import num_rows
from contract.leases import Lease
from contract.request import CompleteRequest
from worker.execution import Execution

CLAIMED_AHEAD_ROWS = 2
"""One image more than fits into a forward: it is prepared, and its model loaded, while the others are denoised."""


class InFlight(dict[str, Execution]):
    """Executions by their ids. With `max_images`, so many images fill a device; else, rows of forwards do."""

    def __init__(self, max_images: int | None) -> None:
        super().__init__()
        self._max_images = max_images

    def is_full(self, row_cap: int) -> bool:
        """Whether this fills the device's forwards and the gap that the next picture leaves."""
        if self._max_images is not None:
            return len(self.requests) >= self._max_images
        rows = sum(num_rows(execution.job.request) * execution.num_images_to_denoise for execution in self.values())
        return rows >= row_cap + CLAIMED_AHEAD_ROWS

    @property
    def requests(self) -> list[CompleteRequest]:
        """One request for every image that is to be published yet."""
        return [execution.job.request for execution in self.values() for _ in range(execution.num_images_left)]

    @property
    def leases(self) -> list[Lease]:
        """The lease of each."""
        return [execution.lease for execution in self.values()]

    @property
    def job_ids(self) -> list[str]:
        """The job of each."""
        return [execution.job.id for execution in self.values()]

    def of_job(self, job_id: str) -> list[Execution]:
        """Those of one job; a lost one may be here still beside its successor."""
        return [execution for execution in self.values() if execution.job.id == job_id]
