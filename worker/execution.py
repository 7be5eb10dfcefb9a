"""One execution of one job, as the parent sees it: its lease, how far it is, and how its results reach the store."""

import asyncio
import base64
import hashlib
import json
import logging
import math
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from contract.artifact import MEDIA_TYPES, Artifact, artifact_id
from contract.artifact_store import ArtifactStore
from contract.catalogue import ModelSpec
from contract.costs import Forecast
from contract.errors import GenerationFailed, SafelightError, StoreUnavailable, UnknownArtifact, UnknownFile
from contract.file_ids import storage_key_of
from contract.job import Job, JobFailure
from contract.job_events import EventName
from contract.leases import Lease, Leases, Outcome
from contract.logs import Named
from contract.traces import Trace, TraceFile, trace_file_id
from contract.tracing import UNTRACED, Tracer
from worker.execution_spans import ExecutionSpans
from worker.messages import Failed, Generate, ImageFinished, Previewed, TracePart
from worker.step_rate import StepRate
from worker.taught_files import TaughtFiles

logger = logging.getLogger(__name__)

T = TypeVar("T")

LAST_STEPS = 2
"""What follows an image is claimed so many steps before its end, to be ready when its rows are free."""

REPORTS_PER_SECOND = 10
"""So often a worker tells the store of progress, over all of its executions."""

RETRY_SECONDS = 0.5


class Execution:
    """Promise: what is written is fenced by the lease, and waits out an outage of the store instead of being lost."""

    def __init__(
        self,
        lease: Lease,
        job: Job,
        leases: Leases,
        artifacts: ArtifactStore,
        forecast: Forecast | None = None,
        *,
        patience_seconds: float = 60.0,
        tracer: Tracer = UNTRACED,
        taught: TaughtFiles | None = None,
    ) -> None:
        """`forecast` is what the job is predicted to need, and is believed until its own steps say better;
        `patience_seconds` is for how long the artifact store may fail (a full disk, say) before the job does.
        """
        self.lease = lease
        self.job = job
        self.previews_wanted = False
        ids = {"job_id": job.id, "request_id": job.origin.request_id, "execution_id": lease.execution_id}
        self.log = Named(logger, ids)
        self.spans = ExecutionSpans(tracer, job, lease)
        self._leases = leases
        self._artifacts = artifacts
        self._patience_seconds = patience_seconds
        self._taught = taught
        self._published = {artifact.index for artifact in job.images}
        self._step = len(self._published) * job.request.num_steps
        predicted = None if forecast is None else forecast.own_seconds / job.request.total_steps
        self._rate = StepRate(self._step, predicted, time.monotonic())
        self._reported = 0.0

    async def order(self) -> Generate | Failed:
        """What the child is asked to do: the images that no earlier execution has published; or why it cannot be."""
        try:
            inputs, row = await self._inputs(), await self._row()
        except SafelightError as error:
            return Failed(self.lease.execution_id, JobFailure.of(error))
        missing = (index for index in range(self.job.request.num_images) if index not in self._published)
        job = self.job
        tenant = hashlib.sha256(job.tenant.encode()).hexdigest()[:12]
        return Generate(
            self.lease.execution_id, job.request, tuple(missing), not job.no_store, inputs, tenant, job.trace_asked, row
        )

    async def _inputs(self) -> dict[str, bytes]:
        """The bytes of the files that the request names. Raises: UnknownFile, naming the field; StoreUnavailable.

        The job holds these files: they are gone only where somebody removed them from the artifact store by hand.
        """
        inputs: dict[str, bytes] = {}
        for field, file_id in self.job.request.references().items():
            read = partial(self._artifacts.get, storage_key_of(file_id))
            try:
                inputs[str(file_id)] = await until_available(read, self._patience_seconds)
            except UnknownArtifact as error:
                raise UnknownFile(f"The bytes of the file {file_id} are gone.", field=field) from error
        return inputs

    async def _row(self) -> ModelSpec | None:
        """The row of a model that somebody has taught. Raises: UnknownModel, ModelUnavailable, StoreUnavailable."""
        taught, model_id = self._taught, self.job.request.model
        return None if taught is None else await until_available(partial(taught.row, model_id), self._patience_seconds)

    @property
    def num_images_left(self) -> int:
        """Images that are still to be published."""
        return self.job.request.num_images - len(self._published)

    @property
    def num_images_to_denoise(self) -> int:
        """Images that will need rows of forwards for some time yet: those in their last steps count no more."""
        steps_left = self.job.request.total_steps - self._step - LAST_STEPS
        return max(0, min(self.num_images_left, math.ceil(steps_left / self.job.request.num_steps)))

    async def progress(self, step: int, num_executions: int = 1) -> None:
        """Notes a step; tells the store of it now and then, and not at all while it is out of reach."""
        self._step = step
        now = time.monotonic()
        if now - self._reported < num_executions / REPORTS_PER_SECOND:
            return
        self._reported = now
        self._rate.saw(step, now)
        await self._report("progress", {**self._progress(), "eta_seconds": self._eta_seconds()})

    async def preview(self, message: Previewed) -> None:
        """Passes a preview on, if somebody watches."""
        if self.previews_wanted:
            data = base64.b64encode(message.jpeg).decode()
            await self._report(
                "preview", {"index": message.index, "step": message.step, "media_type": "image/jpeg", "data": data}
            )

    async def warn(self, warning: str) -> None:
        """Adds a warning to the job."""
        await until_available(lambda: self._leases.warn(self.lease, warning))

    async def publish(self, message: ImageFinished) -> None:
        """Stores an image under a name of this execution, and its trace beside it, and then makes both visible.

        Raises: ArtifactStoreUnavailable, when that store has taken nothing for longer than this may wait.
        """
        artifact, trace = self._artifact(message), self._trace(message)
        if trace is None and self.job.trace_asked is not None:
            await self.warn("The picture was made, and its run could not be recorded.")
        stored: list[Artifact | TraceFile] = [*(trace.files if trace else ()), artifact]
        contents = [*(part.content for part in message.trace), message.encoded]
        self.spans.image(message.index, message.phases)
        with self.spans.during("store"):
            for one, content in zip(stored, contents, strict=True):
                await self._store(one, content)
            if not await until_available(lambda: self._leases.publish_image(self.lease, artifact, trace)):
                for one in stored:
                    await self._artifacts.delete(one.storage_key)
        self._published.add(message.index)

    async def _store(self, one: Artifact | TraceFile, content: bytes) -> None:
        put = partial(self._artifacts.put, one.storage_key, content, one.headers)
        await until_available(put, self._patience_seconds - self._artifacts.refusing_seconds)

    async def settle(self, outcome: Outcome, failure: JobFailure | None = None) -> bool:
        """Ends the job. When the lease is lost, nothing changes: the job is another execution's by now."""
        with self.spans.during("settle"):
            settled = await until_available(lambda: self._leases.settle(self.lease, outcome, failure))
        self.spans.end(outcome if settled else "discarded", None if failure is None else failure.code)
        if not settled:
            self.log.warning("%s: the lease was lost; the %s outcome is discarded", self.job.id, outcome)
        return settled

    def lose(self) -> None:
        """The job is another execution's by now; the work on it ends here."""
        self.log.warning("%s: the lease is lost; stopping its work", self.job.id)
        self.spans.end("lost")

    def _artifact(self, message: ImageFinished) -> Artifact:
        request = self.job.request
        return Artifact(
            id=artifact_id(self.job.id, message.index),
            index=message.index,
            seed=request.seed_of(message.index),
            width=message.width,
            height=message.height,
            media_type=MEDIA_TYPES[request.output_format],
            size_bytes=len(message.encoded),
            sha256=hashlib.sha256(message.encoded).hexdigest(),
            storage_key=f"{self.job.id}/{self.lease.execution_id}/{message.index}.{request.output_format}",
            safety=message.finding,
            replayed=None if self.job.replay is None else self.job.replay.compared(message.encoded),
        )

    def _trace(self, message: ImageFinished) -> Trace | None:
        if not message.trace:
            return None
        return Trace(files=tuple(self._trace_file(part) for part in message.trace))

    def _trace_file(self, part: TracePart) -> TraceFile:
        return TraceFile(
            id=trace_file_id(self.job.id, part.name),
            name=part.name,
            media_type=part.media_type,
            size_bytes=len(part.content),
            sha256=hashlib.sha256(part.content).hexdigest(),
            storage_key=f"{self.job.id}/{self.lease.execution_id}/{part.name}",
        )

    def _progress(self) -> dict[str, float]:
        total = self.job.request.total_steps
        return {"step": self._step, "total_steps": total, "fraction": round(self._step / total, 4)}

    def _eta_seconds(self) -> float | None:
        return self._rate.eta_seconds(self.job.request.total_steps - self._step)

    async def _report(self, name: EventName, data: dict[str, object]) -> None:
        try:
            await self._leases.report(self.lease, self._step, self._eta_seconds(), [(name, json.dumps(data))])
        except StoreUnavailable as error:
            self.log.info("%s: progress is not told: %s", self.job.id, error.message)


def unreadable(job_id: str, error: Exception) -> GenerationFailed:
    """Why a job cannot be run whose record somebody else has written, or damaged. The record is not quoted."""
    logger.error("%s: its record cannot be read: %s", job_id, type(error).__name__)
    return GenerationFailed("The job's record cannot be read.")


async def until_available(call: Callable[[], Awaitable[T]], patience_seconds: float = math.inf) -> T:
    """The answer of a call to a store, once it answers. Raises: StoreUnavailable, after `patience_seconds`."""
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return await call()
        except StoreUnavailable as error:
            if time.monotonic() >= deadline:
                raise
            logger.warning("waiting for the store: %s", error.message)
            await asyncio.sleep(RETRY_SECONDS)
