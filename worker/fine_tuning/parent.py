"""The parent of those that teach: takes one fine-tune at a time, and keeps its lease. It imports no torch."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from redis.exceptions import RedisError

from contract.artifact_store import ArtifactStore
from contract.cancellation import end
from contract.dataset_store import DatasetStore
from contract.errors import StoreUnavailable
from contract.files import FileStore
from contract.fine_tunes import FineTuneStore
from contract.job import JobFailure
from contract.leases import Lease, Leases
from contract.lines import FINE_TUNES
from contract.liveness import Liveness, Pulse
from contract.store_connection import StoreConnection
from contract.teaching_costs import TeachingCosts
from worker.execution import unreadable, until_available
from worker.fine_tuning.execution import FineTuneExecution
from worker.fine_tuning.uploads import Uploads
from worker.rq_worker import RQWorker
from worker.settings import WorkerSettings
from worker.upkeep import Reaper, sweep

logger = logging.getLogger(__name__)

OUTAGE_RETRY_SECONDS = 0.5
HELD_BACK_SECONDS = 0.5
"""So long is waited where what waits may not run yet, or somebody was quicker."""


class Parent:
    """Promise: a fine-tune that was taken is settled once, or is back in the queue one lease after this has died."""

    def __init__(self, settings: WorkerSettings, name: str) -> None:
        self._settings, self._name = settings, name
        self._connection = StoreConnection(settings.store_url)
        retention_seconds = settings.fine_tune_retention_seconds
        self._leases = Leases(
            self._connection,
            lease_seconds=settings.lease_seconds,
            max_attempts=settings.max_attempts,
            retention_seconds=retention_seconds,
            priority_patience_seconds=settings.priority_patience_seconds,
            line=FINE_TUNES,
        )
        self._jobs = FineTuneStore(self._connection, retention_seconds=retention_seconds)
        self._artifacts = ArtifactStore(settings.artifacts_location)
        self._liveness = Liveness(self._connection, lease_seconds=settings.lease_seconds, line=FINE_TUNES)
        self._reaper = Reaper(self._leases)
        self._rq_worker = RQWorker(settings.store_url, name, settings.lease_seconds, FINE_TUNES)
        self._execution: FineTuneExecution | None = None
        self._taking: asyncio.Task[None] | None = None
        self._stopping = False
        self._hurry = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; then what is in work is given back, and goes on from its last checkpoint."""
        duties = (self._work, self._keep, self._hear_wishes)
        tasks = [asyncio.create_task(self._persistently(work), name=work.__name__) for work in duties]
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        await self._drain(tasks[0])
        await end((stopped, *tasks))
        await self._leave()
        for task in done - {stopped}:
            task.result()

    async def _persistently(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does one of the duties for ever; an outage of the store only pauses it."""
        while True:
            try:
                await work()
            except StoreUnavailable as error:
                logger.warning("%s pauses: %s", work.__name__, error.message)
                await asyncio.sleep(OUTAGE_RETRY_SECONDS)

    # ---- taking

    async def _work(self) -> None:
        """Takes one fine-tune, if there is one and what it makes can be stored, and leads it to its end."""
        if self._artifacts.refusing_seconds:
            await asyncio.sleep(HELD_BACK_SECONDS)
        elif await self._leases.wait_for_work():
            self._taking = asyncio.create_task(self._take())
            await asyncio.shield(self._taking)

    async def _take(self) -> None:
        execution_id = secrets.token_hex(8)
        lease = await until_available(lambda: self._leases.claim(self._name, execution_id=execution_id))
        if lease is None:
            await asyncio.sleep(HELD_BACK_SECONDS)
            return
        self._execution = await self._begun(lease)
        if self._execution is not None:
            if self._stopping:
                self._execution.interrupt("drained")
            self._hurry.set()
            await self._execution.to_its_end()
            self._execution = None
            self._hurry.set()

    async def _begun(self, lease: Lease) -> FineTuneExecution | None:
        """The execution of a lease; a job whose record cannot be read has failed."""
        try:
            job = await until_available(lambda: self._jobs.get(lease.job_id))
        except (ValueError, KeyError) as error:
            failure = JobFailure.of(unreadable(lease.job_id, error))
            await until_available(lambda: self._leases.settle(lease, "failed", failure))
            return None
        uploads = Uploads(
            lease,
            self._leases,
            self._artifacts,
            FileStore(self._connection, self._artifacts),
            patience_seconds=self._settings.artifact_patience_seconds,
            ttl_seconds=self._settings.fine_tune_retention_seconds,
        )
        return FineTuneExecution(
            lease,
            job,
            leases=self._leases,
            uploads=uploads,
            datasets=DatasetStore(self._connection, self._artifacts),
            costs=TeachingCosts(self._connection),
            settings=self._settings,
        )

    # ---- keeping

    async def _keep(self) -> None:
        """What recurs: renewing, beating, reaping, sweeping; then a rest of a fifth of a lease."""
        if self._execution is not None:
            await self._renew(self._execution)
            self._execution.interrupt_if_silent()
        await self._artifacts.probe()
        can_store = not self._artifacts.refusing_seconds
        await self._liveness.beat(Pulse(self._name, 0, 0, 0, 0.0, can_store=can_store))
        await self._tell_rq(lambda: self._rq_worker.beat(busy=self._execution is not None))
        await self._reaper.reap()
        await sweep(self._jobs, self._artifacts)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), self._settings.lease_seconds / 5)
        self._hurry.clear()

    async def _renew(self, execution: FineTuneExecution) -> None:
        (renewal,) = await self._leases.renew([execution.lease])
        if renewal.cancel_requested:
            execution.interrupt("cancelled")
        elif not renewal.held:
            execution.interrupt("lost")

    async def _hear_wishes(self) -> None:
        """Hears of cancellations at once; those called out while nobody listened come with the next renewal."""
        async for wish, job_id in self._leases.wishes():
            if wish == "cancel" and self._execution is not None and self._execution.job.id == job_id:
                self._execution.interrupt("cancelled")

    async def _tell_rq(self, call: Callable[[], None]) -> None:
        """RQ's registries are for people to look at; that they cannot be written now is no reason to stop."""
        try:
            await asyncio.to_thread(call)
        except RedisError as error:
            logger.warning("RQ's registries are not up to date: %s", error)

    # ---- leaving

    async def _drain(self, working: asyncio.Task[None]) -> None:
        """Takes nothing more, and gives back what was taken."""
        self._stopping = True
        working.cancel()
        if self._execution is not None:
            self._execution.interrupt("drained")
        if self._taking is not None:
            await asyncio.wait([self._taking])

    async def _leave(self) -> None:
        try:
            await self._liveness.depart(self._name)
            await self._tell_rq(self._rq_worker.deregister)
        except StoreUnavailable as error:
            logger.warning("leaving without a word: %s", error.message)
        finally:
            await self._connection.close()
