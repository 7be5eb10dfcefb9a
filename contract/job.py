"""The life of a job: its statuses, the transitions between them, and the record that is kept of it."""

import secrets
from datetime import datetime
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict

from contract.artifact import Artifact
from contract.branches import Branch
from contract.errors import SafelightError
from contract.origin import UNKNOWN, Origin
from contract.replays import Replay
from contract.request import CompleteRequest
from contract.tenants import PUBLIC
from contract.traces import Trace, TraceAsked, TraceFile
from contract.webhooks import Webhook

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]

Priority = Literal["low", "normal", "high"]
"""Which of a tenant's waiting jobs are served first; it is no part of what a picture is."""

TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    "queued": frozenset({"running", "cancelled"}),
    "running": frozenset({"queued", "succeeded", "failed", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}
"""From each status, where a job may go next. A running job is queued again when its worker dies or drains."""

ENDED: frozenset[JobStatus] = frozenset(status for status, following in TRANSITIONS.items() if not following)


class Progress(BaseModel):
    """How far a job is, in denoising steps over all of its images."""

    model_config = ConfigDict(frozen=True)

    step: int
    total_steps: int
    eta_seconds: float | None = None

    @property
    def fraction(self) -> float:
        """Done steps over all steps, 0 to 1."""
        return self.step / self.total_steps


class JobFailure(BaseModel):
    """Why a job failed; `retryable` says whether the same request may succeed later, `field` what in it is to blame."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    retryable: bool
    field: str | None = None

    @classmethod
    def of(cls, error: SafelightError) -> "JobFailure":
        """The record of an error from the tree."""
        return cls(code=error.code, message=error.message, retryable=error.retryable, field=error.field)


class JobRecord(BaseModel):
    """What the store keeps of every accepted request, whatever it asks for.

    `attempt` counts executions, from 1; `admitted_position` is the place in the queue that the job was given at first,
    and `admitted_eta_seconds` what was predicted then. Nobody but its `tenant` sees it. It may be removed from
    `expires_at` on, which is known when it has ended; it ends at `expire_by` at the latest, where its client has asked
    for that.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    tenant: str = PUBLIC
    status: JobStatus
    progress: Progress
    warnings: tuple[str, ...] = ()
    error: JobFailure | None = None
    attempt: int = 0
    admitted_position: int
    admitted_eta_seconds: float | None = None
    priority: Priority = "normal"
    webhook: Webhook | None = None
    origin: Origin = UNKNOWN
    cancel_requested: bool = False
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    expire_by: datetime | None = None

    agreed: ClassVar[tuple[str, ...]] = (
        "id",
        "tenant",
        "admitted_position",
        "admitted_eta_seconds",
        "priority",
        "webhook",
        "origin",
        "expire_by",
        "created_at",
    )
    """What is known when it is admitted, and never changes."""

    @property
    def ended(self) -> bool:
        """Whether the job has reached a status that it never leaves."""
        return self.status in ENDED

    def as_admitted(self) -> Self:
        """The job as it was at the moment of its admission."""
        begun = Progress(step=0, total_steps=self.progress.total_steps, eta_seconds=self.admitted_eta_seconds)
        return type(self)(**{name: getattr(self, name) for name in self.agreed}, status="queued", progress=begun)


class Job(JobRecord):
    """A generation. `no_store` says that its pictures are for this job only."""

    kind: Literal["generation"] = "generation"
    request: CompleteRequest
    images: tuple[Artifact, ...] = ()
    no_store: bool = False
    replay: Replay | None = None
    branch: Branch | None = None
    trace_asked: TraceAsked | None = None
    trace: Trace | None = None

    agreed = (*JobRecord.agreed, "request", "no_store", "replay", "branch", "trace_asked")

    @property
    def published(self) -> tuple[Artifact | TraceFile, ...]:
        """Its pictures, and the files of the trace of its run."""
        return (*self.images, *(self.trace.files if self.trace else ()))

    def artifact(self, artifact_id: str) -> Artifact | TraceFile | None:
        """What is published under an id."""
        return next((one for one in self.published if one.id == artifact_id), None)


def new_job_id() -> str:
    """A fresh id of 128 random bits."""
    return f"job_{secrets.token_hex(16)}"
