"""Jobs in Redis, as only the holder of a lease may use them: claim, renew, report, publish, settle, give back, reap."""

import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from contract.artifact import Artifact
from contract.errors import GenerationStalled, SafelightError, StoreUnavailable, WorkerDied
from contract.files import StagedFile
from contract.job import JobFailure
from contract.job_events import PREVIEW_WISHES, EventName
from contract.lines import GENERATIONS, Line
from contract.store_connection import BLOCK_SECONDS, StoreConnection, unavailable_when_unreachable
from contract.traces import Trace

Outcome = Literal["succeeded", "failed", "cancelled"]

Loss = Literal["lost", "stalled", "drained"]
"""Why an execution ends without an outcome: its process died, or hung and was ended; or it is none of its doing."""

CANCELLATIONS = "safelight:cancellations"
"""The channel on which the ids of running jobs to be cancelled are called out; the record says so too."""

Wish = Literal["cancel", "previews", "arrive"]
"""What is called out of jobs: what clients ask, and that one is the first of its tenant's to wait."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one job, until it is settled, given back, or left unrenewed."""

    job_id: str
    execution_id: str


@dataclass(frozen=True, slots=True)
class Made:
    """What a job has made that becomes visible when it ends: a JSON object for its record, and a file of its tenant's
    that lives for so long.
    """

    result: str
    file: StagedFile | None = None
    ttl_seconds: float = 0

    @property
    def parts(self) -> tuple[str | float, ...]:
        """What the script that settles is told."""
        return (self.result,) if self.file is None else (self.result, self.file.id, self.ttl_seconds, *self.file.record)


@dataclass(frozen=True, slots=True)
class Renewal:
    """The answer to a renewal: whether the lease is still ours, and what clients want of the job."""

    held: bool
    cancel_requested: bool
    previews_wanted: bool


class Leases:
    """Promise: of all executions of a job exactly one holds its lease, and only that one can change the job.

    All methods raise StoreUnavailable within two seconds when the server does not answer; all may be repeated.
    """

    def __init__(
        self,
        connection: StoreConnection,
        *,
        lease_seconds: float,
        max_attempts: int,
        retention_seconds: float,
        patience_seconds: float = 5.0,
        priority_patience_seconds: float = 60.0,
        line: Line = GENERATIONS,
    ) -> None:
        """`patience_seconds` is for how long a job may be overtaken by one of a model that a worker has in memory;
        `priority_patience_seconds`, by more urgent ones without having a turn.
        """
        self._connection = connection
        self._redis = connection.redis
        self._line = line
        self._run = partial(connection.run, line=line)
        self.lease_seconds = lease_seconds
        self._max_attempts = max_attempts
        self._retention_seconds = retention_seconds
        self._patience_seconds = patience_seconds
        self._priority_patience_seconds = priority_patience_seconds

    async def wait_for_work(self) -> bool:
        """Whether a job is waiting; blocks for up to BLOCK_SECONDS until one is.

        The head of the queue is moved onto its own place, which takes nothing out, so a crash here loses nothing.
        """
        queue = self._line.queue
        with unavailable_when_unreachable():
            head = await self._connection.blocking.blmove(queue, queue, BLOCK_SECONDS, "LEFT", "LEFT")
        return head is not None

    async def claim(
        self,
        worker: str,
        resident: Sequence[str] = (),
        *,
        passing_over: Collection[str] = (),
        execution_id: str | None = None,
    ) -> Lease | None:
        """Takes a waiting job, or None: that of the tenant whose turn it is, or one near it of a model that is resident
        with the worker. None also where all that waits may not run yet, is of tenants that are passed over, or has to
        run alone and the worker is busy. Asked again with the same `execution_id`, when the answer was lost, it is the
        same job.
        """
        execution_id = execution_id or secrets.token_hex(8)
        patience = (self._patience_seconds, self._priority_patience_seconds)
        others = ",".join(passing_over)
        job_id = await self._run("claim", worker, execution_id, self.lease_seconds, *patience, others, *resident)
        return Lease(job_id, execution_id) if job_id else None

    async def renew(self, leases: Sequence[Lease]) -> list[Renewal]:
        """Extends each lease that is still ours, and says which are."""
        if not leases:
            return []
        answers = await self._run("renew", self.lease_seconds, *_flat(leases))
        return [Renewal(*(bool(flag) for flag in answer)) for answer in answers]

    async def report(
        self,
        lease: Lease,
        step: int,
        eta_seconds: float | None,
        events: Sequence[tuple[EventName, str]],
        measured: str = "",
    ) -> bool:
        """Writes progress, with what was `measured` as a JSON object, and appends events (name, JSON object); False
        when the lease is lost.
        """
        eta = "" if eta_seconds is None else round(eta_seconds, 3)
        flat = [part for event in events for part in event]
        return bool(await self._run("report", lease.job_id, lease.execution_id, step, eta, measured, *flat))

    async def publish(
        self, lease: Lease, field: str, value: str, event: tuple[EventName, str], *, anew: bool = False
    ) -> tuple[bool, str]:
        """Makes something visible that was made on the way, as a field of the record, and tells of it.

        Answers whether that is visible now, and what it has replaced, which it does only `anew`.
        """
        how = "anew" if anew else "once"
        visible, before = await self._run("publish", lease.job_id, lease.execution_id, field, value, how, *event)
        return bool(visible), before

    async def publish_image(self, lease: Lease, artifact: Artifact, trace: Trace | None = None) -> bool:
        """Makes a stored image visible, with the trace of its run.

        False when it never will be: the lease is lost, or the image is there.
        """
        return bool(
            await self._run(
                "publish_image",
                lease.job_id,
                lease.execution_id,
                artifact.index,
                artifact.model_dump_json(exclude_none=True),
                *([] if trace is None else [trace.model_dump_json()]),
            )
        )

    async def warn(self, lease: Lease, warning: str) -> None:
        """Adds a warning to the job, once."""
        await self._run("warn", lease.job_id, lease.execution_id, warning)

    async def settle(
        self, lease: Lease, outcome: Outcome, failure: JobFailure | None = None, made: Made | None = None
    ) -> bool:
        """Ends the job, and makes visible what was made; False when the lease is lost, and then nothing has changed."""
        text = "" if failure is None else failure.model_dump_json()
        parts = () if made is None else made.parts
        return bool(
            await self._run("settle", lease.job_id, lease.execution_id, outcome, text, self._retention_seconds, *parts)
        )

    async def give_back(self, leases: Sequence[Lease], why: Loss) -> int:
        """Puts jobs back at the front of the queue.

        Unless they were `drained`, they are suspects: they will run alone, and it counts as an attempt if they did so.
        """
        if not leases:
            return 0
        cause = "drained" if why == "drained" else "lost"
        return int(
            await self._run(
                "give_back", cause, self._max_attempts, self._notice(why), self._retention_seconds, *_flat(leases)
            )
        )

    async def wishes(self) -> AsyncIterator[tuple[Wish, str]]:
        """What clients ask of jobs, by id, as it happens; what was called out earlier comes with `renew`.

        Raises: StoreUnavailable, also when the server has not even answered a question for BLOCK_SECONDS.
        """
        asked = False
        wishes: dict[str, Wish] = {
            CANCELLATIONS: "cancel",
            PREVIEW_WISHES: "previews",
            self._line.key("arrivals"): "arrive",
        }
        with unavailable_when_unreachable():
            async with self._connection.blocking.pubsub() as channel:
                await channel.subscribe(*wishes)
                while True:
                    message = await channel.get_message(timeout=BLOCK_SECONDS)
                    if message is None and asked:
                        raise StoreUnavailable("The job store says nothing any more.")
                    asked = message is None
                    if message is None:
                        await channel.ping()
                    elif message["type"] == "message":
                        yield wishes[message["channel"]], message["data"]

    async def reap(self) -> list[str]:
        """Takes back every job whose lease has ended, unless the server itself is younger than a lease."""
        with unavailable_when_unreachable():
            server = await self._redis.info("server")
        if server["uptime_in_seconds"] <= self.lease_seconds:
            return []
        ids: list[str] = await self._run("reap", self._max_attempts, self._notice("lost"), self._retention_seconds)
        return ids

    def _notice(self, why: Loss) -> str:
        """What the client is told of a job that is given up for good."""
        times = f"{self._max_attempts} times" if self._max_attempts > 1 else "once"
        error: SafelightError = WorkerDied(f"The job ran alone {times}, and the worker process died each time.")
        if why == "stalled":
            error = GenerationStalled(f"The job ran alone {times}, and the last time the engine hung.")
        return JobFailure.of(error).model_dump_json()


def _flat(leases: Sequence[Lease]) -> list[str]:
    return [part for lease in leases for part in (lease.job_id, lease.execution_id)]
