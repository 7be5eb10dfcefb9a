"""What is taken back from workers that are gone, and what is removed when its time is over."""

import logging
import math
import time
from contextlib import suppress
from typing import Any

from contract.artifact_store import ArtifactStore
from contract.errors import UnknownJob
from contract.jobs import Jobs
from contract.leases import Leases

logger = logging.getLogger(__name__)

SWEEP_BATCH = 100


class Reaper:
    """Takes back the jobs of one line. Raises StoreUnavailable when the server does not answer."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._reaped_at, self._reaps_from = math.inf, -math.inf

    async def reap(self) -> None:
        """Takes back the jobs of workers that are gone. After an outage of the store, in which leases ended because
        nobody could renew them, their holders have one lease's time to do so; a worker that has just begun has seen
        none, however long its beginning took.
        """
        now, lease_seconds = time.monotonic(), self._leases.lease_seconds
        if now - self._reaped_at > lease_seconds / 2:
            self._reaps_from = now + lease_seconds
        if now >= self._reaps_from:
            for job_id in await self._leases.reap():
                logger.warning("%s: its lease had ended; taken back", job_id, extra={"job_id": job_id})
        self._reaped_at = now


async def sweep(jobs: Jobs[Any, Any], artifacts: ArtifactStore) -> None:
    """Removes jobs whose time is over, bytes first, so that none are left without a record."""
    for job_id in await jobs.expired(SWEEP_BATCH):
        with suppress(UnknownJob):
            await _remove(job_id, jobs, artifacts)


async def _remove(job_id: str, jobs: Jobs[Any, Any], artifacts: ArtifactStore) -> None:
    """Removes a job; one that has not ended is cancelled, and removed the next time."""
    if not (await jobs.get(job_id)).ended:
        await jobs.cancel(job_id)
        return
    await artifacts.delete_all(f"{job_id}/")
    await jobs.delete(job_id)
