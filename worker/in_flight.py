"""What a worker has in flight, and for which tenants it has room beside that."""

from collections import Counter

from contract.costs import num_rows
from contract.leases import Lease
from contract.request import CompleteRequest
from worker.execution import Execution

CLAIMED_AHEAD_ROWS = 2
"""One image more than fits into a forward: it is prepared, and its model loaded, while the others are denoised."""


class InFlight(dict[str, Execution]):
    """The executions of one worker by their ids."""

    def __init__(self, max_images: int | None = None) -> None:
        super().__init__()
        self._max_images = max_images

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

    def is_full(self, row_cap: int) -> bool:
        """Whether what is in flight fills forwards of so many rows, and the gap that the next picture leaves."""
        if self._max_images is not None:
            return len(self.requests) >= self._max_images
        return self._rows().total() >= row_cap + CLAIMED_AHEAD_ROWS

    def sated(self, row_cap: int) -> frozenset[str] | None:
        """The tenants with their share of a full worker or more; None where there is room for nobody else either.

        What one tenant has filled a worker with does not keep the others out, who have equal shares of its forwards,
        until they fill a forward without that one.
        """
        rows = self._rows()
        if self._max_images is not None or rows.total() - max(rows.values()) >= row_cap:
            return None
        share = row_cap / max(2, len(rows))
        return frozenset(tenant for tenant, number in rows.items() if number >= share)

    def _rows(self) -> Counter[str]:
        """Rows by tenant; images in their last steps have none, so that what follows them is ready in time."""
        rows: Counter[str] = Counter()
        for execution in self.values():
            rows[execution.job.tenant] += num_rows(execution.job.request) * execution.num_images_to_denoise
        return rows
