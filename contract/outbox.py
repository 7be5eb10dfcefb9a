"""What is still to be told: deliveries of webhooks in Redis, written by the scripts that make the events true.

A delivery belongs to its job: it is claimed, tried and recorded by API processes, and removed with the job.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from contract.errors import UnknownDelivery
from contract.fine_tunes import PREFIX, FineTune, read_fine_tune
from contract.job import Job
from contract.job_records import fields_of, read_job
from contract.store_connection import StoreConnection, unavailable_when_unreachable
from contract.webhooks import Webhook, WebhookEvent

DeliveryStatus = Literal["pending", "succeeded", "failed", "disabled"]

AttemptError = Literal[
    "address_refused", "name_unknown", "unreachable", "tls_failed", "broken", "timed_out", "unspoken"
]
"""What went wrong before there was a status: see `app.webhooks.messenger`, and `unspoken`: nobody knows this body."""

DISABLED_SECONDS = 24 * 3600
"""How long a URL that answered 410 is told nothing."""


class Attempt(BaseModel):
    """One try to deliver: when it began, how long it took, and the status that was answered, or why there was none."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    seconds: float
    status_code: int | None = None
    error: AttemptError | None = None


class Delivery(BaseModel):
    """One event that a client is to hear of. `tries` counts since it was last asked for, `attempts` are all."""

    model_config = ConfigDict(frozen=True)

    id: str
    event: WebhookEvent
    data: str
    status: DeliveryStatus
    occurred_at: datetime
    next_attempt_at: datetime | None
    attempts: tuple[Attempt, ...]
    tries: int
    asked_again: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours until its lease ends, and its job as it was when the event happened."""

    delivery: Delivery
    job: Job | FineTune
    webhook: Webhook
    receiver: str
    claim: str

    @property
    def disabled_key(self) -> str:
        """What says that the tenant's URL is told nothing."""
        digest = hashlib.sha256(f"{self.job.tenant}\n{self.webhook.url}".encode()).hexdigest()
        return f"safelight:webhook_disabled:{digest}"


class Outbox:
    """Promise: an event of a job with a webhook has its delivery, or neither has happened; each delivery is claimed
    by one process at a time, and again by another when that one is silent for the length of a lease.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection
        self._redis = connection.redis

    async def claim(
        self, limit: int, *, lease_seconds: float, at_one_receiver: int, but: Iterable[str] = ()
    ) -> list[Claimed]:
        """Up to `limit` deliveries that are due, of one receiver up to `at_one_receiver`, of the receivers `but` none.

        What is claimed and not answered is due again one lease later: answers that are lost, and records of another
        version, which a process of that version may read.
        """
        claim = secrets.token_hex(8)
        found = await self._connection.run("claim_deliveries", claim, lease_seconds, limit, at_one_receiver, *but)
        claims = []
        for delivery_id, fields, job in found:
            with suppress(ValidationError, KeyError):
                claims.append(_claimed(delivery_id, fields_of(fields), fields_of(job), claim))
        return claims

    async def disabled(self, claimed: Claimed) -> bool:
        """Whether the URL answered 410 lately."""
        with unavailable_when_unreachable():
            return bool(await self._redis.exists(claimed.disabled_key))

    async def record(
        self, claimed: Claimed, status: DeliveryStatus, attempt: Attempt | None, *, delay_seconds: float = 0
    ) -> bool:
        """Says how a try ended, and when the next one is if it is still pending; False when it is another's by now."""
        return bool(
            await self._connection.run(
                "record_attempt",
                claimed.delivery.id,
                claimed.claim,
                status,
                "" if attempt is None else attempt.model_dump_json(),
                delay_seconds,
                claimed.disabled_key,
                DISABLED_SECONDS,
            )
        )

    async def of_job(self, job_id: str) -> list[Delivery]:
        """The deliveries of a job, in the order of their events."""
        with unavailable_when_unreachable():
            ids = await self._redis.lrange(f"safelight:deliveries:{job_id}", 0, -1)
        records = await self._connection.pipelined([("HGETALL", f"safelight:delivery:{one}") for one in ids])
        return [_delivery(one, fields) for one, fields in zip(ids, records, strict=True) if fields]

    async def redeliver(self, job_id: str, delivery_id: str) -> Delivery:
        """Has a delivery tried again from now on, however it ended before. Raises: UnknownDelivery."""
        answer = await self._connection.run("redeliver", job_id, delivery_id)
        if not answer:
            raise UnknownDelivery(f"The job {job_id!r} has no delivery {delivery_id!r}.")
        return _delivery(delivery_id, fields_of(answer))


def _claimed(delivery_id: str, fields: dict[str, str], job: dict[str, str], claim: str) -> Claimed:
    found = _job(delivery_id.removeprefix("whd_").rpartition("_")[0], job)
    webhook = Webhook.model_validate_json(job["webhook"])
    return Claimed(_delivery(delivery_id, fields), found, webhook, fields["receiver"], claim)


def _job(name: str, fields: dict[str, str]) -> Job | FineTune:
    """The job whose name a delivery has in its id."""
    return read_fine_tune(name, fields) if name.startswith(PREFIX) else read_job(f"job_{name}", fields)


def _delivery(delivery_id: str, fields: Mapping[str, str]) -> Delivery:
    attempts = (Attempt.model_validate_json(value) for name, value in fields.items() if name.startswith("attempt:"))
    return Delivery(
        id=delivery_id,
        event=fields["event"],
        data=fields["data"],
        status=fields["status"],
        occurred_at=_time(fields["occurred_at"]),
        next_attempt_at=_time(fields["next_at"]) if "next_at" in fields else None,
        attempts=tuple(sorted(attempts, key=lambda attempt: attempt.at)),
        tries=int(fields["tries"]),
        asked_again=fields.get("asked_again") == "1",
    )


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(float(text), UTC)
