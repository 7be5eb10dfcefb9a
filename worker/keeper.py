"""What a worker does for the whole installation: says that it is there, takes back lost jobs, removes expired ones."""

import asyncio
import logging
from collections.abc import Callable

from redis.exceptions import RedisError

from contract.architecture import Architectures
from contract.artifact_store import ArtifactStore
from contract.certificates import Certificates
from contract.costs import Costs
from contract.dataset_store import DatasetStore
from contract.files import FileStore
from contract.fine_tunes import FineTuneStore
from contract.job_store import JobStore
from contract.leases import Leases
from contract.liveness import Liveness
from contract.receipt_keys import ReceiptKeys, private_key
from contract.store_connection import StoreConnection
from worker.rq_worker import RQWorker
from worker.settings import WorkerSettings
from worker.tally import Tally
from worker.upkeep import SWEEP_BATCH, Reaper, sweep

logger = logging.getLogger(__name__)


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
        self._jobs = jobs
        self._fine_tunes = FineTuneStore(connection, retention_seconds=settings.fine_tune_retention_seconds)
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
        self._reaper = Reaper(leases)

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
        """Takes back the jobs of workers that are gone."""
        await self._reaper.reap()

    async def sweep(self) -> None:
        """Removes jobs and files whose time is over; fine-tunes too, as nobody may be there who teaches."""
        await self._files.sweep(SWEEP_BATCH)
        await self._datasets.sweep(SWEEP_BATCH)
        for jobs in (self._jobs, self._fine_tunes):
            await sweep(jobs, self._artifacts)

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
