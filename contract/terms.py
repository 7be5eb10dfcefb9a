"""What is agreed about a job beside what makes its pictures: when it has its turn, who is told, how long it is kept,
which picture it is held against, which job it continues, what is recorded of its run."""

import hashlib
from dataclasses import dataclass

from pydantic import BaseModel

from contract.branches import Branch
from contract.job import Priority
from contract.origin import UNKNOWN, Origin
from contract.replays import Replay
from contract.retention import Retention
from contract.traces import TraceAsked
from contract.webhooks import Webhook

IDEMPOTENCY_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A call that can be sent again under its key and stays one job; it is remembered for so many seconds.

    With `fresh`, it repeats no other: the key is its own from now on, whoever had it before.
    """

    key: str
    seconds: int = IDEMPOTENCY_SECONDS
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What a client asks about a job beside the request, and by which call. Without a priority, it is the usual one."""

    priority: Priority | None = None
    webhook: Webhook | None = None
    retention: Retention | None = None
    replay: Replay | None = None
    trace: TraceAsked | None = None
    no_store: bool = False
    repeatable: Repeatable | None = None
    branch: Branch | None = None
    origin: Origin = UNKNOWN

    def fingerprint(self, request: BaseModel) -> str:
        """What a call that comes again under its key is held against."""
        beside = [
            self.priority if self.priority != "normal" else None,
            None if self.webhook is None else self.webhook.asked,
            None if self.retention is None else self.retention.model_dump_json(),
            None if self.replay is None else self.replay.of,
            None if self.branch is None else self.branch.model_dump_json(),
            None if self.trace is None else self.trace.model_dump_json(),
        ]
        return hashlib.sha256("".join([request.model_dump_json(), *filter(None, beside)]).encode()).hexdigest()

    def record(self, tenant: str) -> dict[str, str]:
        """What a job's record says of them, for the scripts."""
        told = {} if self.webhook is None else self.webhook.record(tenant)
        kept = {} if self.retention is None else self.retention.record
        again = {} if self.replay is None else self.replay.record
        from_there = {} if self.branch is None else {"branch": self.branch.model_dump_json()}
        recorded = {} if self.trace is None else self.trace.record
        return told | kept | again | from_there | recorded | self.origin.record


USUAL = Terms()
"""Nothing is asked beside the request."""
