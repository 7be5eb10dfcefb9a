"""What clients did and were told, in order: every call with its answer, every stream of events as far as it came."""

import re
import time
from dataclasses import dataclass, field
from typing import Any

ENDS = ("succeeded", "failed", "cancelled")
"""The statuses that a job never leaves, and the names of its last event."""

JOB_ID = re.compile(r"job_[0-9a-f]{32}")


@dataclass(slots=True)
class Call:
    """One request. While `status` is None nothing was answered, or not yet. Units: times in seconds of one clock."""

    tenant: str
    method: str
    path: str
    idempotency_key: str | None = None
    sent_at: float = field(default_factory=time.monotonic)
    status: int | None = None
    answer: Any = None
    answered_at: float | None = None
    retry_after: str | None = None

    def answered(self, status: int, answer: Any, retry_after: str | None = None) -> None:
        """Notes what came back."""
        self.status, self.answer, self.retry_after = status, answer, retry_after
        self.answered_at = time.monotonic()

    @property
    def succeeded(self) -> bool:
        """Whether the call was answered with what it asked for."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_admission(self) -> bool:
        """Whether this call made a job, or found the one that it had made."""
        return self.method == "POST" and self.path == "/v1/generations" and self.succeeded

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """The jobs that the answer shows, whole."""
        if not self.succeeded or not isinstance(self.answer, dict):
            return []
        shown = self.answer.get("data", [self.answer])
        return [one for one in shown if isinstance(one, dict) and {"id", "status", "images"} <= one.keys()]

    @property
    def job_ids(self) -> set[str]:
        """Every id of a job that stands anywhere in the answer."""
        return set(JOB_ID.findall(str(self.answer))) if self.succeeded else set()


@dataclass(slots=True)
class Stream:
    """One connection on which a job's events were followed. `after` is the Last-Event-ID that it began with.

    The connections of one `follower` are one stream to it: each goes on where the one before it broke off.
    """

    tenant: str
    job_id: str
    follower: str
    after: str | None
    events: list[tuple[str, str]] = field(default_factory=list)
    """The id and the name of each event that came, in order."""
    status: int | None = None


@dataclass(slots=True)
class Bytes:
    """A picture that was fetched, and the digest of what came."""

    tenant: str
    artifact_id: str
    sha256: str


@dataclass(slots=True)
class History:
    """All of it. Whoever records appends; whoever checks only reads."""

    calls: list[Call] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    pictures: list[Bytes] = field(default_factory=list)

    def admitted(self) -> dict[str, str]:
        """The tenant of every job that some client was promised, by its id."""
        return {job["id"]: call.tenant for call in self.calls if call.is_admission for job in call.jobs}

    def deleted(self) -> set[str]:
        """Jobs that clients have removed, or may have: the call was sent, whatever its answer was."""
        return {
            found.group()
            for call in self.calls
            if call.method == "DELETE" and call.status in (None, 204) and (found := JOB_ID.search(call.path))
        }
