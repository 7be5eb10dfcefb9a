"""How a client asks that its job be kept for a shorter time, and what it may ask for."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

from contract.errors import InvalidRequest, LimitExceeded
from contract.retention import Retention


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("a time is text, as RFC 3339 has it")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_text)]
"""A time with its offset, as text; numbers could be seconds or milliseconds."""


def retention(seconds: int | None, expires_at: datetime | None, most_seconds: float) -> Retention | None:
    """What a client asked for. Raises: InvalidRequest, LimitExceeded, naming the field."""
    if expires_at is None:
        if seconds is not None and seconds > most_seconds:
            raise LimitExceeded(f"Jobs are kept for at most {most_seconds:.0f} seconds.", field="retention_seconds")
        return None if seconds is None else Retention(seconds=seconds)
    if seconds is not None:
        raise InvalidRequest("Say either retention_seconds or expires_at.", field="expires_at")
    left = expires_at - datetime.now(UTC)
    if left <= timedelta(0):
        raise InvalidRequest("expires_at is in the past.", field="expires_at")
    if left > timedelta(seconds=most_seconds):
        raise LimitExceeded(f"Jobs are kept for at most {most_seconds:.0f} seconds.", field="expires_at")
    return Retention(until=expires_at)
