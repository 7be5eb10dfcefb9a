"""How a job is read from its hash in Redis."""

import json
from datetime import UTC, datetime
from typing import Any

from contract.artifact import Artifact
from contract.branches import Branch
from contract.costs import Forecast
from contract.job import Job, JobFailure, Progress
from contract.origin import Origin
from contract.outlook import Outlook, Place
from contract.replays import Replay
from contract.request import CompleteRequest
from contract.tenants import PUBLIC
from contract.traces import Trace, TraceAsked
from contract.webhooks import Webhook

TIMES = ("created_at", "started_at", "finished_at", "expires_at", "expire_by")


def fields_of(flat: list[str]) -> dict[str, str]:
    """A hash from the flat list of fields and values that scripts answer with."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def read_job(job_id: str, fields: dict[str, str]) -> Job:
    """The generation in a hash."""
    return Job(
        **common_of(job_id, fields),
        request=CompleteRequest.model_validate_json(fields["request"]),
        images=_images(fields),
        no_store=fields.get("no_store") == "1",
        replay=Replay.model_validate_json(fields["replay"]) if "replay" in fields else None,
        branch=Branch.model_validate_json(fields["branch"]) if "branch" in fields else None,
        trace_asked=TraceAsked.model_validate_json(fields["trace_asked"]) if "trace_asked" in fields else None,
        trace=Trace.model_validate_json(fields["trace"]) if "trace" in fields else None,
    )


def common_of(job_id: str, fields: dict[str, str]) -> dict[str, Any]:
    """What a hash says of a job, whatever was asked for: the fields of a JobRecord."""
    return {
        "id": job_id,
        "tenant": fields.get("tenant", PUBLIC),
        "status": fields["status"],
        "progress": Progress(
            step=int(fields["step"]),
            total_steps=int(fields["total_steps"]),
            eta_seconds=float(fields["eta_seconds"]) if fields.get("eta_seconds") else None,
        ),
        "warnings": tuple(sorted(value for name, value in fields.items() if name.startswith("warning:"))),
        "error": JobFailure.model_validate_json(fields["error"]) if "error" in fields else None,
        "attempt": int(fields["attempt"]),
        "admitted_position": int(fields["admitted_position"]),
        "admitted_eta_seconds": _admitted_eta(fields),
        "priority": fields.get("priority", "normal"),
        "webhook": Webhook.model_validate_json(fields["webhook"]) if "webhook" in fields else None,
        "origin": Origin.of(fields),
        "cancel_requested": fields.get("cancel_requested") == "1",
        **{name: _time(fields.get(name)) for name in TIMES},
    }


def _admitted_eta(fields: dict[str, str]) -> float | None:
    """What was predicted when the job was admitted, from what the script saw then."""
    if "admitted_outlook" not in fields:
        return None
    num_workers, num_running, *micros = (int(number) for number in fields["admitted_outlook"].split())
    running, ahead, work, own = (number / 1e6 for number in micros)
    outlook = Outlook(num_workers, num_running, running)
    return outlook.seconds_to_end(Place(int(fields["admitted_position"]), ahead), Forecast(work, own))


def _images(fields: dict[str, str]) -> tuple[Artifact, ...]:
    found = (Artifact.model_validate(json.loads(value)) for name, value in fields.items() if name.startswith("image:"))
    return tuple(sorted(found, key=lambda artifact: artifact.index))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromtimestamp(float(text), UTC)
