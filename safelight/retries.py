"""What no means: the error that an answer is, and whether and when the same call is worth another try."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from safelight.errors import ConnectionFailed, ServiceError, UnexpectedAnswer
from safelight.outcomes import kind_of

RETRIED = frozenset({408, 429, 502, 503, 504})
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 8.0
LONGEST_RETRY_AFTER_SECONDS = 60.0
"""Who is told to wait for longer hears of it instead."""


def said_no(response: httpx.Response) -> ServiceError:
    """The error that an answer is, whole and read."""
    retry_after_seconds = _retry_after_seconds(response.headers.get("retry-after", ""))
    retryable = response.status_code in RETRIED
    try:
        said = response.json()["error"]
        kind, message = kind_of(said["code"]), said["message"]
    except (ValueError, KeyError, TypeError):
        where = response.headers.get("location", "")
        return ServiceError(
            f"{response.request.url} answers {response.status_code} {response.reason_phrase} {where}".rstrip() + ".",
            code=UnexpectedAnswer.code,
            status=response.status_code,
            retryable=retryable,
            retry_after_seconds=retry_after_seconds,
        )
    return kind(
        message,
        code=said["code"],
        field=said.get("field"),
        status=response.status_code,
        request_id=said.get("request_id"),
        retryable=retryable,
        retry_after_seconds=retry_after_seconds,
    )


def pause_seconds(error: ConnectionFailed | ServiceError) -> float | None:
    """How long to wait before the call is made again; None where it should not be."""
    if isinstance(error, ServiceError):
        if not error.retryable:
            return None
        if error.retry_after_seconds is not None:
            return error.retry_after_seconds if error.retry_after_seconds <= LONGEST_RETRY_AFTER_SECONDS else None
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (error.num_tries - 1))
    return random.uniform(longest / 2, longest)


def _retry_after_seconds(text: str) -> float | None:
    """Seconds from now. Source: RFC 9110, section 10.2.3; text of any other form is as none."""
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at.astimezone(UTC) - datetime.now(UTC)).total_seconds())
