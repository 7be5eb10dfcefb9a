"""The parent: takes jobs under leases, keeps the leases, hands the work to the child, and settles what comes back."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from contract.artifact_store import ArtifactStore
from contract.cancellation import end
from contract.catalogue import read_catalogue
from contract.errors import StoreUnavailable
from contract.job import JobFailure
from contract.job_store import JobStore
from contract.leases import Lease, Leases, Loss
from contract.store_connection import StoreConnection
from contract.tracing import UNTRACED, Tracer
from worker.execution import Execution, unreadable, until_available
from worker.feed import Feed
from worker.fitness import Fitness
from worker.in_flight import InFlight
from worker.keeper import Keeper
from worker.messages import (
    Abort,
    Certified,
    Drawn,
    Failed,
    Finished,
    ImageFinished,
    Measured,
    Previewed,
    Progressed,
    Ready,
    Resident,
    SetPreviews,
    ToParent,
    Warned,
    Worked,
)
from worker.settings import WorkerSettings
from worker.supervisor import Supervisor
from worker.tally import Tally
from worker.taught_files import TaughtFiles

logger = logging.getLogger(__name__)

OUTAGE_RETRY_SECONDS = 0.5


class Consumer:
    """One worker's parent process.

    Promise: a job that was taken is settled once, or is back in the queue one lease after this process has died.
    """

    def __init__(self, settings: WorkerSettings, name: str, tracer: Tracer = UNTRACED) -> None:
        self._settings, self._name, self._tracer = settings, name, tracer
        self._connection = StoreConnection(settings.store_url)
        self._leases = Leases(
            self._connection,
            lease_seconds=settings.lease_seconds,
            max_attempts=settings.max_attempts,
            retention_seconds=settings.retention_seconds,
            patience_seconds=settings.routing_patience_seconds,
            priority_patience_seconds=settings.priority_patience_seconds,
        )
        self._jobs = JobStore(self._connection, retention_seconds=settings.retention_seconds)
        self._artifacts = ArtifactStore(settings.artifacts_location)
        self._tally = Tally(name)
        self._keeper = Keeper(
            name,
            settings,
            self._connection,
            leases=self._leases,
            jobs=self._jobs,
            artifacts=self._artifacts,
            tally=self._tally,
        )
        self._executions = InFlight(settings.max_in_flight)
        self._fitness = Fitness()
        self._supervisor = Supervisor(settings, hear=self._obey, lose=self._lose_child)
        self._ready, self._hurry = asyncio.Event(), asyncio.Event()
        self._taught = TaughtFiles(settings, self._connection, self._artifacts)
        self._feed = Feed(
            name,
            self._leases,
            self._executions,
            tally=self._tally,
            fitness=self._fitness,
            artifacts=self._artifacts,
            ready=self._ready,
            start=self._start,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, then drains: what is not done in time goes back to the queue."""
        duties = (self._feed.feed, self._supervisor.hear_children, self._keep, self._hear_wishes)
        tasks = [asyncio.create_task(self._persistently(work), name=work.__name__) for work in duties]
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        tasks[0].cancel()
        if stopped in done:
            await self._drain()
        await end((stopped, *tasks))
        await self._leave()
        for task in done - {stopped}:
            task.result()

    async def _persistently(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does one of the worker's duties for ever; an outage of the store only pauses it."""
        while True:
            try:
                await work()
            except StoreUnavailable as error:
                logger.warning("%s pauses: %s", work.__name__, error.message)
                await asyncio.sleep(OUTAGE_RETRY_SECONDS)

    # ---- taking jobs

    async def _start(self, lease: Lease) -> None:
        try:
            job = await until_available(lambda: self._jobs.get(lease.job_id))
        except (ValueError, KeyError) as error:
            await self._leases.settle(lease, "failed", JobFailure.of(unreadable(lease.job_id, error)))
            return
        if not self._ready.is_set():  # The child died while we waited for work.
            await until_available(lambda: self._leases.give_back([lease], "drained"))
            return
        forecast = self._tally.costs.forecast(job.request, self._executions.requests)
        execution = Execution(
            lease,
            job,
            self._leases,
            self._artifacts,
            forecast,
            patience_seconds=self._settings.artifact_patience_seconds,
            tracer=self._tracer,
            taught=self._taught,
        )
        execution.log.info("%s: started, attempt %d", lease.job_id, execution.job.attempt)
        self._executions[lease.execution_id] = execution
        await (self._order(execution) if execution.num_images_left else self._end(Finished(lease.execution_id)))

    async def _order(self, execution: Execution) -> None:
        """Has the child make the job's images, unless the job has ended while its files were read."""
        order = await execution.order()
        if isinstance(order, Failed):
            await self._end(order)
        elif order.execution_id in self._executions:
            self._supervisor.order(order)
            execution.previews_wanted = False  # What was said of that before, the child did not understand.
            await self._renew([execution])

    # ---- the child

    async def _lose_child(self, why: Loss) -> None:
        if not self._ready.is_set():
            self._fitness.unproven()
        self._ready.clear()
        self._hurry.set()
        leases = self._executions.leases
        for execution in list(self._executions.values()):
            self._forget(execution)
            execution.spans.end(why)
        await until_available(lambda: self._leases.give_back(leases, why))

    async def _obey(self, message: ToParent) -> None:
        match message:
            case Ready(model_ids):
                logger.info("ready with %s", ", ".join(model_ids))
                self._tally.begin(read_catalogue(self._settings.catalogue).default_model)
                self._fitness.proven()
                self._ready.set()
                self._feed.changed.set()
                self._hurry.set()
            case Worked() | Resident() | Measured() | Certified() | Drawn():
                self._tally.hear(message)
                if isinstance(message, Resident | Certified | Drawn):
                    self._hurry.set()
                    self._feed.changed.set()
            case Progressed(steps):
                await self._progress(steps)
            case Finished() | Failed():
                await self._end(message)
            case _ if execution := self._executions.get(message.execution_id):
                await self._tell(execution, message)

    async def _progress(self, steps: Mapping[str, int]) -> None:
        for execution_id, step in steps.items():
            if execution := self._executions.get(execution_id):
                await execution.progress(step, len(self._executions))
        self._feed.changed.set()

    async def _tell(self, execution: Execution, message: Previewed | ImageFinished | Warned) -> None:
        try:
            match message:
                case Previewed():
                    await execution.preview(message)
                case ImageFinished():
                    await execution.publish(message)
                    self._feed.changed.set()
                case Warned(warning=warning):
                    await execution.warn(warning)
        except StoreUnavailable as error:
            await self._end(Failed(message.execution_id, JobFailure.of(error)))

    async def _end(self, message: Finished | Failed) -> None:
        execution = self._executions.get(message.execution_id)
        if execution is None:
            return
        failure = message.failure if isinstance(message, Failed) else None
        settled = await execution.settle("failed" if failure else "succeeded", failure)
        self._fitness.ended(failure)
        (self._abort if failure else self._forget)(execution)
        execution.log.info("%s: %s", execution.job.id, failure.code if failure else "succeeded")
        if settled:
            await self._keeper.count(succeeded=failure is None)

    def _forget(self, execution: Execution) -> None:
        self._executions.pop(execution.lease.execution_id, None)
        self._feed.changed.set()
        if self._fitness.needs_proof and not self._executions:
            self._supervisor.replace("the last jobs have failed; it has to make a picture of its own", "drained")

    def _abort(self, execution: Execution) -> None:
        self._forget(execution)
        self._supervisor.tell(Abort(execution.lease.execution_id))

    # ---- keeping

    async def _keep(self) -> None:
        """What recurs: renewing, beating, reaping, sweeping, watching the child; then a rest of a fifth of a lease."""
        await self._renew(list(self._executions.values()))
        if self._ready.is_set() or self._fitness.in_quarantine:
            await self._keeper.beat(busy=bool(self._executions), in_quarantine=self._fitness.in_quarantine)
        await self._keeper.reap()
        await self._keeper.sweep()
        if self._executions:
            self._supervisor.replace_if_silent(self._executions.job_ids)
        self._feed.changed.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), self._settings.lease_seconds / 5)
        self._hurry.clear()

    async def _renew(self, executions: Sequence[Execution]) -> None:
        """Keeps leases, and does what clients have asked of these jobs meanwhile."""
        renewals = await self._leases.renew([execution.lease for execution in executions])
        for execution, renewal in zip(executions, renewals, strict=True):
            if not renewal.held:
                execution.lose()
                self._abort(execution)
            elif renewal.cancel_requested:
                await self._cancel(execution)
            else:
                self._set_previews(execution, renewal.previews_wanted)

    def _set_previews(self, execution: Execution, wanted: bool) -> None:
        if execution.previews_wanted != wanted:
            execution.previews_wanted = wanted
            self._supervisor.tell(SetPreviews(execution.lease.execution_id, wanted))

    # ---- what clients ask

    async def _hear_wishes(self) -> None:
        """Hears of wishes at once; those called out while nobody listened come with the next renewal."""
        self._feed.hear_of_arrival()
        async for wish, job_id in self._leases.wishes():
            if wish == "arrive":
                self._feed.hear_of_arrival()
            for execution in self._executions.of_job(job_id):
                if wish == "cancel":
                    await self._cancel(execution)
                elif wish == "previews":
                    self._set_previews(execution, True)

    async def _cancel(self, execution: Execution) -> None:
        self._abort(execution)
        await execution.settle("cancelled")
        execution.log.info("%s: cancelled", execution.job.id)

    # ---- leaving

    async def _drain(self) -> None:
        deadline = time.monotonic() + self._settings.drain_seconds
        await self._feed.until_known(self._settings.drain_seconds)
        while self._executions and time.monotonic() < deadline:
            self._feed.changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._feed.changed.wait(), deadline - time.monotonic())

    async def _leave(self) -> None:
        try:
            await self._leases.give_back(self._executions.leases, "drained")
            await self._keeper.depart()
        except StoreUnavailable as error:
            logger.warning("leaving without a word: %s", error.message)
        finally:  # A child that is left behind would be waited for without end.
            self._supervisor.end()
            await self._connection.close()
