"""What became of a job's webhooks, and what signs them, as types."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from safelight.fields import WebhookEvent

DeliveryStatus = Literal["pending", "succeeded", "failed", "disabled"]
DeliveryProblem = Literal[
    "address_refused", "name_unknown", "unreachable", "tls_failed", "broken", "timed_out", "unspoken"
]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver; `status_code` is what the receiver answered, `error` why there was no answer."""

    at: datetime
    seconds: float
    status_code: int | None
    error: DeliveryProblem | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event that the receiver is told of."""

    id: str
    event: WebhookEvent
    status: DeliveryStatus
    occurred_at: datetime
    next_attempt_at: datetime | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """What signs everything that one receiver is sent; `key` is as libraries for Standard Webhooks take it."""

    origin: str
    key: str
    created_at: datetime
    previous_key_until: datetime | None
