"""One execution of one fine-tune, as the parent leads it: a child of its own, from its order to its end."""

import asyncio
import json
import logging
import math
import time
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, assert_never

from contract.cancellation import end
from contract.dataset_store import DatasetStore
from contract.errors import SafelightError, StoreUnavailable, UnknownArtifact
from contract.fine_tunes import FineTune
from contract.job import JobFailure
from contract.leases import Lease, Leases, Loss, Made, Outcome
from contract.logs import Named
from contract.teaching_costs import TeachingCosts
from worker.child_process import ChildEnded, ChildProcess
from worker.execution import until_available
from worker.fine_tuning.messages import (
    Checkpointed,
    Concluded,
    Failed,
    Lesson,
    Sampled,
    Stepped,
    Taught,
    Teach,
    ToParent,
    Warned,
)
from worker.fine_tuning.uploads import Uploads
from worker.settings import WorkerSettings
from worker.step_rate import StepRate

logger = logging.getLogger(__name__)

Interruption = Literal["cancelled", "lost", "stalled", "drained"]
"""Why the parent ends an execution: it is asked for, another has the job by now, the child is silent, or all ends."""

End = Taught | Concluded | Failed
Ending = End | Interruption | Literal["died"]

CONCLUDE_SECONDS = 120.0
"""So long it may take to make files of the checkpoint of a run that was cancelled."""

REPORT_SECONDS = 0.5
MAX_REPORTS = 1000
"""So far are two reports of progress apart at least, in time, and in steps by how many there may be of one run."""

STEADY_STEPS = 5
"""After so many steps, what a step takes is known."""


class FineTuneExecution:
    """Promise: when `to_its_end` returns, the child is gone, and the job is settled, given back, or another's."""

    def __init__(
        self,
        lease: Lease,
        job: FineTune,
        *,
        leases: Leases,
        uploads: Uploads,
        datasets: DatasetStore,
        costs: TeachingCosts,
        settings: WorkerSettings,
    ) -> None:
        self.lease, self.job = lease, job
        ids = {"job_id": job.id, "request_id": job.origin.request_id, "execution_id": lease.execution_id}
        self.log = Named(logger, ids)
        self._leases, self._uploads, self._datasets, self._costs = leases, uploads, datasets, costs
        self._settings = settings
        self._interrupted: asyncio.Future[Interruption] = asyncio.get_running_loop().create_future()
        self._heard_at = time.monotonic()
        self._reported_at, self._reported_step = 0.0, 0
        self._first_step = 0 if job.checkpoint is None else job.checkpoint.step
        self._rate = StepRate(self._first_step, None, time.monotonic())
        self._kept: Path | None = None
        self._cancelled = False

    def interrupt(self, why: Interruption) -> None:
        """Ends the execution; the first reason counts, and being cancelled again is none."""
        if not self._interrupted.done() and not (self._cancelled and why == "cancelled"):
            self._interrupted.set_result(why)

    def interrupt_if_silent(self) -> None:
        """Ends an execution whose child has said nothing for too long."""
        if time.monotonic() - self._heard_at > self._settings.stall_seconds:
            self.interrupt("stalled")

    async def to_its_end(self) -> None:
        """Teaches, from where the last checkpoint has got to, and says what became of it."""
        self.log.info("%s: started, attempt %d, from step %d", self.job.id, self.job.attempt, self._first_step)
        with TemporaryDirectory(prefix="safelight-fine-tune-") as folder:
            try:
                order = await self._order(Path(folder))
                ending = await self._carried_out(order)
                if ending == "cancelled":
                    ending = await self._concluded(order) or ending
            except SafelightError as error:
                ending = Failed(JobFailure.of(error))
            await self._settle_as(ending)

    # ---- the order

    async def _order(self, folder: Path) -> Teach:
        """What the child is asked. Raises: UnknownDataset, ArtifactStoreUnavailable."""
        lessons = [await self._lesson(index) for index in range(len(self.job.request.pictures))]
        return Teach(self.job.request, tuple(lessons), folder, await self._checkpoint(folder))

    async def _lesson(self, index: int) -> Lesson:
        request, picture = self.job.request, self.job.request.pictures[index]
        patience_seconds = self._settings.artifact_patience_seconds
        content = await until_available(partial(self._datasets.read, request.dataset, picture), patience_seconds)
        target = await until_available(partial(self._datasets.read_target, request.dataset, picture), patience_seconds)
        return Lesson(content, request.caption_of(picture), target)

    async def _checkpoint(self, folder: Path) -> Path | None:
        """Where an earlier execution has got to; None where it begins."""
        if self.job.checkpoint is None:
            return None
        try:
            content = await self._uploads.read(self.job.checkpoint)
        except UnknownArtifact:
            self.log.error("%s: its checkpoint is gone; it begins again", self.job.id)
            return None
        path = folder / "resumed-from"
        await asyncio.to_thread(path.write_bytes, content)
        return path

    # ---- the child

    async def _carried_out(self, order: Teach) -> Ending:
        try:
            child = ChildProcess[Teach, ToParent](self._settings, serve_child, preloaded=())
        except ChildEnded as error:  # That is none of the job's doing.
            self.log.error("%s: %s", self.job.id, error)
            return "drained"
        self._heard_at = time.monotonic()
        sending = asyncio.create_task(asyncio.to_thread(child.send, order))
        hearing = asyncio.create_task(self._hear(child))
        awaited: list[asyncio.Future[Any]] = [hearing, self._interrupted]
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            return self._interrupted.result() if self._interrupted.done() else hearing.result()
        finally:
            child.kill()
            await end([hearing])
            await sending
            await asyncio.to_thread(child.end)

    async def _concluded(self, order: Teach) -> Concluded | None:
        """What the last checkpoint of a run gives that was cancelled, if it has one and that can be said."""
        kept = self._kept or order.checkpoint
        if kept is None:
            return None
        self._interrupted, self._cancelled = asyncio.get_running_loop().create_future(), True
        last = replace(order, checkpoint=kept, go_on=False)
        try:
            async with asyncio.timeout(CONCLUDE_SECONDS):
                ending = await self._carried_out(last)
        except TimeoutError:
            return None
        return ending if isinstance(ending, Concluded) else None

    async def _hear(self, child: ChildProcess[Teach, ToParent]) -> End | Literal["died"]:
        try:
            async with aclosing(child.messages()) as messages:
                async for message in messages:
                    if isinstance(message, End):
                        return message
                    self._heard_at = math.inf  # While we obey, for as long as the store may be away, we do not listen.
                    await self._obey(message)
                    self._heard_at = time.monotonic()
        except ChildEnded as error:
            self.log.error("%s: %s", self.job.id, error)
        return "died"

    async def _obey(self, message: Stepped | Sampled | Checkpointed | Warned) -> None:
        match message:
            case Stepped():
                await self._progress(message)
            case Sampled():
                await self._uploads.sample(message)
            case Checkpointed():
                await self._uploads.checkpoint(message)
                await self._drop_older(message.path)
            case Warned(warning):
                await until_available(lambda: self._leases.warn(self.lease, warning))
            case _:
                assert_never(message)

    async def _drop_older(self, path: Path) -> None:
        """Removes the checkpoint before this one from this machine."""
        older, self._kept = self._kept, path
        if older is not None and older != path:
            await asyncio.to_thread(older.unlink, missing_ok=True)

    async def _progress(self, message: Stepped) -> None:
        """Tells the store of a step now and then, and not at all while it is out of reach."""
        now, total = time.monotonic(), self.job.request.steps
        apart = message.step - self._reported_step
        if message.step < total and (now - self._reported_at < REPORT_SECONDS or apart < total / MAX_REPORTS):
            return
        self._reported_at, self._reported_step = now, message.step
        self._rate.saw(message.step, now)
        eta_seconds = self._rate.eta_seconds(total - message.step)
        measured = {"loss": message.loss, "learning_rate": message.learning_rate}
        fraction = round(message.step / total, 4)
        told = {"step": message.step, "total_steps": total, "fraction": fraction, "eta_seconds": eta_seconds}
        event = json.dumps({**told, **measured})
        try:
            await self._leases.report(
                self.lease, message.step, eta_seconds, [("progress", event)], json.dumps(measured)
            )
            await self._learn_cost(message.step)
        except StoreUnavailable as error:
            self.log.info("%s: progress is not told: %s", self.job.id, error.message)

    async def _learn_cost(self, step: int) -> None:
        seconds = self._rate.eta_seconds(1)
        if step - self._first_step >= STEADY_STEPS and seconds is not None:
            await self._costs.report(self.job.request, seconds)

    # ---- the end

    async def _settle_as(self, ending: Ending) -> None:
        match ending:
            case Taught():
                await self._settle_with(ending, "succeeded", None)
            case Concluded():
                await self._settle_with(ending, "cancelled", None)
            case Failed(failure):
                await self._settle_with(ending, "failed", failure)
            case "cancelled":
                await self._settle("cancelled")
            case "lost":
                self.log.warning("%s: the lease is lost; its work is stopped", self.job.id)
            case "died":
                # One that gets on between its deaths is no poison, however many they are.
                why: Loss = "lost" if self._kept is None else "drained"
                await until_available(lambda: self._leases.give_back([self.lease], why))
            case "stalled" | "drained":
                await until_available(lambda: self._leases.give_back([self.lease], ending))
            case _:
                assert_never(ending)

    async def _settle_with(self, ending: End, outcome: Outcome, failure: JobFailure | None) -> None:
        """Ends the job with what was learnt; what cannot be stored is as if it had not been learnt."""
        made = None
        card = ending.card if isinstance(ending, Taught) else None
        try:
            if ending.files:
                made = await self._uploads.result(ending.files, card)
        except SafelightError as error:
            if outcome == "succeeded":
                outcome, failure = "failed", JobFailure.of(error)
        await self._settle(outcome, failure, made)

    async def _settle(self, outcome: Outcome, failure: JobFailure | None = None, made: Made | None = None) -> None:
        settled = await until_available(lambda: self._leases.settle(self.lease, outcome, failure, made))
        said = failure.code if failure else outcome
        self.log.info("%s: %s", self.job.id, said if settled else f"{said}, discarded as the lease was lost")


def serve_child(connection: Connection, settings: WorkerSettings) -> None:
    """The child's whole life, of which the parent imports nothing."""
    from worker.fine_tuning.child import serve

    serve(connection, settings)
