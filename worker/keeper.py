"""What a worker does for the whole installation: says that it is there, takes back lost jobs, removes expired ones."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import RedisError

from contract.architecture import Architectures
from contract.artifact_store import ArtifactStore
from contract.certificates import Certificates
from contract.costs import Costs
from contract.dataset_store import DatasetStore
from contract.errors import UnknownJob
from contract.files import FileStore
from contract.job_store import JobStore
from contract.leases import Leases
from contract.liveness import Liveness
from contract.receipt_keys import ReceiptKeys, private_key
from contract.store_connection import StoreConnection
from worker.rq_worker import RQWorker
from worker.settings import WorkerSettings
from worker.tally import Tally

logger = logging.getLogger(__name__)

SWEEP_BATCH = 100


class Keeper:
    """Promise: any number of workers may do this at once; each job is taken back once and removed whole.

    All methods but `count` raise StoreUnavailable when the server does not answer.
    """

    def __init__(
        self,
        worker: str,
        settings: WorkerSettings,
        connection: StoreConnection,
        *,
        leases: Leases,
        jobs: JobStore,
        artifacts: ArtifactStore,
        tally: Tally,
    ) -> None:
        self._worker = worker
        self._leases = leases
        self._jobs = jobs
        self._liveness = Liveness(connection, lease_seconds=settings.lease_seconds)
        self._costs = Costs(connection)
        self._architectures = Architectures(connection)
        self._certificates = Certificates(connection, lease_seconds=settings.lease_seconds)
        self._artifacts = artifacts
        self._files = FileStore(connection, artifacts)
        self._datasets = DatasetStore(connection, artifacts)
        self._rq_worker = RQWorker(settings.store_url, worker, settings.lease_seconds)
        self._tally = tally
        self._receipt_keys = ReceiptKeys(connection)
        self._receipt_key = private_key(settings.receipt_key_file).public
        self._reaped_at, self._reaps_from = math.inf, -math.inf

    async def beat(self, *, busy: bool, in_quarantine: bool = False) -> None:
        """Says that this worker is alive, what it knows and what it signs with, to the service and to RQ's tools."""
        await self._receipt_keys.announce(self._receipt_key)
        await self._artifacts.probe()
        can_store = not self._artifacts.refusing_seconds
        await self._liveness.beat(self._tally.pulse(in_quarantine=in_quarantine, can_store=can_store))
        await self._certificates.report(self._worker, self._tally.certificates)
        await self._architectures.report(self._tally.architectures.values())
        if self._tally.costs.costs:
            await self._costs.report(self._worker, list(self._tally.costs.costs.values()))
            await self._jobs.weigh(self._tally.costs)
        await self._tell_rq(lambda: self._rq_worker.beat(busy=busy))

    async def count(self, *, succeeded: bool) -> None:
        """Adds an ended job to this worker's, as RQ's tools show them."""
        await self._tell_rq(lambda: self._rq_worker.count(succeeded=succeeded))

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

    async def sweep(self) -> None:
        """Removes jobs and files whose time is over, bytes first, so that none are left without a record."""
        await self._files.sweep(SWEEP_BATCH)
        await self._datasets.sweep(SWEEP_BATCH)
        for job_id in await self._jobs.expired(SWEEP_BATCH):
            with suppress(UnknownJob):
                await self._remove(job_id)

    async def _remove(self, job_id: str) -> None:
        """Removes a job; one that has not ended is cancelled, and removed the next time."""
        if not (await self._jobs.get(job_id)).ended:
            await self._jobs.cancel(job_id)
            return
        await self._artifacts.delete_all(f"{job_id}/")
        await self._jobs.delete(job_id)

    async def depart(self) -> None:
        """Says that this worker has ended."""
        await self._liveness.depart(self._worker)
        await self._tell_rq(self._rq_worker.deregister)

    async def _tell_rq(self, call: Callable[[], None]) -> None:
        """RQ's registries are for people to look at; that they cannot be written now is no reason to stop."""
        try:
            await asyncio.to_thread(call)
        except RedisError as error:
            logger.warning("RQ's registries are not up to date: %s", error)
