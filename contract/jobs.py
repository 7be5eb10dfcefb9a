"""Jobs of one line in Redis, as anybody may use them: admit, read, list, follow, cancel, delete."""

import hashlib
import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar, Generic, Self, get_args

from pydantic import BaseModel
from redis import Redis as BlockingRedis

from contract.admitted import Admitted, CompleteT, RecordT, other_body, refusal
from contract.costs import Forecast
from contract.datasets import Dataset
from contract.errors import JobNotEnded, UnknownJob
from contract.job import ENDED, JobStatus, Priority
from contract.job_events import ADMITTED, FIRST, JobEvent
from contract.job_records import fields_of
from contract.lines import Line
from contract.outlook import Outlook, Place
from contract.queue import rq_job_fields
from contract.quotas import UNBOUNDED, Allowance
from contract.store_connection import BLOCK_SECONDS, StoreConnection, unavailable_when_unreachable
from contract.tenants import PUBLIC, index_of
from contract.terms import USUAL, Terms


class Jobs(ABC, Generic[RecordT, CompleteT]):
    """Promise: every method is one atomic step at the server, or says in its docstring what it may see in between.

    A store that is one tenant's knows that tenant's jobs only: to it, another's is one that does not exist. Without a
    tenant it is the house's own, which finds every job by its id, and admits and lists those of `public`.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    line: ClassVar[Line]
    id_prefix: ClassVar[str]

    def __init__(self, connection: StoreConnection, *, retention_seconds: float, tenant: str | None = None) -> None:
        self._connection = connection
        self._redis = connection.redis
        self._run = partial(connection.run, line=self.line)
        self._retention_seconds = retention_seconds
        self._tenant = tenant

    # ---- what each line has to say of its jobs

    @abstractmethod
    def _read(self, job_id: str, fields: dict[str, str]) -> RecordT:
        """The job in a hash."""

    @abstractmethod
    def _cost(self, complete: CompleteT) -> int:
        """What quotas count, in pixel-steps."""

    def of(self, tenant: str) -> Self:
        """The same store, as this tenant's."""
        return type(self)(self._connection, retention_seconds=self._retention_seconds, tenant=tenant)

    async def admit(
        self,
        request: BaseModel,
        complete: CompleteT,
        terms: Terms = USUAL,
        *,
        max_queued: int,
        forecast: Forecast | None = None,
        allowance: Allowance = UNBOUNDED,
        dataset: Dataset | None = None,
        warnings: Sequence[str] = (),
    ) -> Admitted[RecordT]:
        """Accepts a request once, however often a repeatable call is repeated.

        `request` is as the client sent it; with `terms`, it is what a repeated key is held against. `forecast` is what
        the job is predicted to need; without one, nobody can say when those behind it will end. The references of
        `complete` are file ids; the job holds these files and the `dataset` until it has ended. What it costs is taken
        from `allowance` in the same step, and once.
        Raises: IdempotencyConflict, QueueFull, UnknownFile, UnknownDataset, QuotaExceeded, QuotaTooSmall;
                DatasetChanged, when that is no longer as it was read.
        """
        fresh_id = f"{self.id_prefix}{secrets.token_hex(16)}"
        references = complete.references()
        remembered = self._remembered(request, terms)
        cost = self._cost(complete)
        answer, found_id, *record = await self._run(
            "admit",
            fresh_id,
            json.dumps(
                {
                    "request": complete.model_dump_json(exclude_none=True),
                    "model": complete.model,
                    "total_steps": complete.total_steps,
                    "files": sorted(set(references.values())),
                    "tenant": self._tenant or PUBLIC,
                    "priority": terms.priority or "normal",
                    "max_queued": max_queued,
                    "no_store": terms.no_store,
                    "quota": allowance.bill(cost),
                    "record": terms.record(self._tenant or PUBLIC) | _warned(warnings),
                    **({"idempotency": remembered} if remembered else {}),
                    **({} if forecast is None else {"forecast": forecast.microseconds}),
                    **({} if dataset is None else {"dataset": {"id": dataset.id, "version": dataset.version}}),
                }
            ),
            *rq_job_fields(fresh_id, _UNCONNECTED, self.line),
        )
        if why := refusal(answer, found_id, references, max_queued):
            raise why
        if answer in ("over_burst", "over_quota"):
            raise allowance.refusal(cost, found_id)
        job = self._read(found_id, fields_of(*record)) if record else await self.get(found_id)
        return Admitted(job=job, replayed=answer == "existing")

    async def replayed(self, request: BaseModel, terms: Terms) -> RecordT | None:
        """The job that this call became when it came before under its key. Raises: IdempotencyConflict."""
        remembered = self._remembered(request, terms)
        if not remembered:
            return None
        with unavailable_when_unreachable():
            fingerprint, job_id = await self._redis.hmget(
                f"safelight:idempotency:{remembered['key']}", "fingerprint", "job_id"
            )
        if fingerprint is None:
            return None
        if fingerprint != remembered["fingerprint"]:
            raise other_body()
        return await self.get(job_id)

    async def get(self, job_id: str) -> RecordT:
        """The job as it is now. Raises: UnknownJob."""
        self._check_id(job_id)
        with unavailable_when_unreachable():
            fields = await self._redis.hgetall(_job_key(job_id))
        if not fields or self._tenant not in (None, fields.get("tenant", PUBLIC)):
            raise UnknownJob(f"There is no job {job_id!r}.")
        return self._read(job_id, fields)

    async def page(
        self, *, status: JobStatus | None = None, limit: int, cursor: int | None = None
    ) -> tuple[list[RecordT], int | None]:
        """Up to `limit` jobs, newest first, older than `cursor`; and the cursor of the next page, if there is one.

        A job that is deleted while the page is read is left out.
        """
        index = index_of(self.line.key("jobs" if status is None else f"jobs:{status}"), self._tenant)
        newest = "+inf" if cursor is None else f"({cursor}"
        with unavailable_when_unreachable():
            page = await self._redis.zrevrangebyscore(index, newest, "-inf", start=0, num=limit + 1, withscores=True)
        jobs = await self._get_many(job_id for job_id, _ in page[:limit])
        return jobs, int(page[limit - 1][1]) if len(page) > limit else None

    async def outlook(self, job_ids: Iterable[str] = ()) -> Outlook:
        """What runs, and what is in front of each of these jobs; those that do not wait are left out."""
        ids = list(job_ids)
        num_workers, num_running, running, places = await self._run("foresee", *ids)
        return Outlook(
            num_workers=num_workers,
            num_running=num_running,
            running_seconds=int(running) / 1e6,
            places={
                job_id: Place(position, None if num_unknown else int(ahead) / 1e6)
                for job_id, (position, ahead, num_unknown) in zip(ids, places, strict=True)
                if position
            },
        )

    async def expect(self, priority: Priority = "normal") -> tuple[Outlook, Place]:
        """What runs, and where a job would wait that was admitted now."""
        answer = await self._run("expect", self._tenant or PUBLIC, priority)
        num_workers, num_running, running, position, ahead, num_unknown = (int(number) for number in answer)
        place = Place(position, None if num_unknown else ahead / 1e6)
        return Outlook(num_workers, num_running, running / 1e6), place

    async def cancel(self, job_id: str) -> RecordT:
        """Asks for the end of a job, and returns it as it is after that. An ended job stays as it is.

        Raises: UnknownJob.
        """
        self._check_id(job_id)
        await self._run("cancel", job_id, self._retention_seconds, self._tenant or "")
        return await self.get(job_id)

    async def delete(self, job_id: str) -> None:
        """Removes an ended job's record and events; its files are the caller's. Raises: UnknownJob, JobNotEnded."""
        self._check_id(job_id)
        found = await self._run("delete", job_id, self._tenant or "")
        if found is None:
            raise UnknownJob(f"There is no job {job_id!r}.")
        if found not in ENDED:
            raise JobNotEnded(f"The job is {found}; cancel it first.")

    async def read_events(self, job_id: str, after: str, *, block_seconds: float = BLOCK_SECONDS) -> list[JobEvent]:
        """The events that follow the id `after`; waits up to `block_seconds` (at most BLOCK_SECONDS) for the first.

        The admission itself is not kept as an event, because a stream with a single one takes more memory than the
        job: whoever asks from the beginning is told of it first, by itself.
        """
        if after == FIRST:
            return [ADMITTED]
        block_ms = max(1, int(min(block_seconds, BLOCK_SECONDS) * 1000))
        with unavailable_when_unreachable():
            streams = await self._connection.blocking.xread({f"safelight:events:{job_id}": after}, block=block_ms)
        entries = streams[0][1] if streams else []
        return [JobEvent(id=id, name=fields["event"], data=fields["data"]) for id, fields in entries]

    async def follow(self, job_id: str, after: str = FIRST) -> AsyncIterator[JobEvent | None]:
        """Every event after `after`, as it happens, up to the last one; None when nothing came for a while.

        Raises: UnknownJob, also when the job is deleted meanwhile.
        """
        ended = (await self.get(job_id)).ended
        while True:
            events = await self.read_events(job_id, after, block_seconds=0 if ended else BLOCK_SECONDS)
            for event in events:
                yield event
                if event.last:
                    return
                after = event.id
            if not events and ended:
                return
            if not events:
                ended = (await self.get(job_id)).ended
                yield None

    async def expired(self, limit: int) -> list[str]:
        """Ids of jobs whose time is over; a job whose client has set a time may not have ended yet."""
        now = datetime.now(UTC).timestamp()
        with unavailable_when_unreachable():
            ids: list[str] = await self._redis.zrangebyscore(self.line.key("expiring"), "-inf", now, start=0, num=limit)
        return ids

    async def counts(self) -> dict[JobStatus, int]:
        """How many jobs there are in each status, of all tenants."""
        statuses: tuple[JobStatus, ...] = get_args(JobStatus)
        tenants = await self._run("count", *statuses)
        return {status: sum(counts[at] for counts in tenants) for at, status in enumerate(statuses, 1)}

    async def statistics(self) -> dict[str, float]:
        """Counters over all jobs ever, whoever's: `ended:<status>`, `failed:<code>`, `returned:<why>`, the histograms
        `wait:<bound>`, `run:<bound>`, `…:sum`, and of webhooks `delivered:<status>` and `delivery_attempts`.
        """
        with unavailable_when_unreachable():
            fields = await self._redis.hgetall(self.line.key("statistics"))
        return {name: float(value) for name, value in fields.items()}

    def _remembered(self, request: BaseModel, terms: Terms) -> dict[str, object]:
        """How a call is kept that may be repeated, or nothing; equal keys of two tenants are two."""
        call = terms.repeatable
        if call is None:
            return {}
        key = call.key if self._tenant in (None, PUBLIC) else f"{self._tenant}\n{call.key}"
        digest = hashlib.sha256(key.encode()).hexdigest()
        return {"key": digest, "fingerprint": terms.fingerprint(request), "seconds": call.seconds, "takes": call.fresh}

    def _check_id(self, job_id: str) -> None:
        """Another line's job is none of this one's, whose scripts must not touch it. Raises: UnknownJob."""
        if not job_id.startswith(self.id_prefix):
            raise UnknownJob(f"There is no job {job_id!r}.")

    async def _get_many(self, job_ids: Iterable[str]) -> list[RecordT]:
        ids = list(job_ids)
        records = await self._connection.pipelined([("HGETALL", _job_key(job_id)) for job_id in ids])
        return [self._read(job_id, fields) for job_id, fields in zip(ids, records, strict=True) if fields]


_UNCONNECTED = BlockingRedis()
"""RQ's job class wants a client to build a hash with; this one never connects."""


def _job_key(job_id: str) -> str:
    return f"safelight:job:{job_id}"


def _warned(warnings: Sequence[str]) -> dict[str, str]:
    """As a record has them, under the names of `warn.lua`."""
    return {f"warning:{hashlib.sha1(warning.encode()).hexdigest()}": warning for warning in warnings}
