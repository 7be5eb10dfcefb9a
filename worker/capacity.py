"""How much a worker takes at once: one image more than fits into a forward, or what its operator says."""

from collections.abc import Collection

from contract.costs import num_rows
from contract.request import CompleteRequest
from worker.execution import Execution
from worker.settings import WorkerSettings

CLAIMED_AHEAD_ROWS = 2
"""One image more than fits into a forward: it is prepared, and its model loaded, while the others are denoised."""


def is_full(executions: Collection[Execution], settings: WorkerSettings, row_cap: int) -> bool:
    """Whether these fill the device's forwards and the gap that the next picture leaves."""
    if settings.max_in_flight is not None:
        return len(in_flight(executions)) >= settings.max_in_flight
    rows = sum(num_rows(execution.job.request) * execution.num_images_to_denoise for execution in executions)
    return rows >= row_cap + CLAIMED_AHEAD_ROWS


def in_flight(executions: Collection[Execution]) -> list[CompleteRequest]:
    """One request for every image that is to be published yet."""
    return [execution.job.request for execution in executions for _ in range(execution.num_images_left)]
