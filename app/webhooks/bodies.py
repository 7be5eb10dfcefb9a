"""What webhooks say: one function for each way of saying it, and here is Safelight's own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.fine_tune_responses import FineTuneShown
from app.links import Links
from app.responses import JOB_ID, TIME, ImageShown, JobShown
from contract.artifact import Artifact
from contract.fine_tunes import FineTune
from contract.job import Job
from contract.outbox import Claimed
from contract.webhooks import WebhookEvent

MAX_BODY_BYTES = 20_000
"""A body that would have more says everything but the request, which can be read from the job."""


@dataclass(frozen=True, slots=True)
class Happening:
    """What is told: an event, and the job as it was then. `data` is what the event says, a JSON object as text."""

    event: WebhookEvent
    data: str
    at: datetime
    job: Job | FineTune
    links: Links

    @classmethod
    def of(cls, claimed: Claimed) -> "Happening":
        """What a delivery is about."""
        delivery = claimed.delivery
        links = Links(claimed.webhook.base)
        return cls(delivery.event, delivery.data, delivery.occurred_at, claimed.job, links)

    @property
    def generation(self) -> Job:
        """The job, where it can be no other."""
        if isinstance(self.job, FineTune):
            raise TypeError(f"{self.job.id} is no generation")
        return self.job

    @property
    def shown(self) -> JobShown | FineTuneShown:
        """The job in the shape in which the API shows it."""
        job = self.job
        if isinstance(job, FineTune):
            return FineTuneShown.of(job, None, job.progress.eta_seconds, self.links)
        return JobShown.of(job, None, job.progress.eta_seconds, self.links)


Body = Callable[[Happening], dict[str, Any]]
"""Makes the body of a webhook, a JSON object; it is called again for every try, and must say the same each time."""

Bodies = Mapping[str, Body]


def encoded(body: dict[str, Any]) -> str:
    """A body as it is signed and sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


class Told(BaseModel):
    """What the receiver of a webhook is told."""

    type: str = Field(description="The kind of job, and the event.", examples=["generation.succeeded"])
    timestamp: datetime = Field(description="When it happened.", examples=[TIME])
    data: dict[str, Any] = Field(
        description="The job as it was then, a `JobShown` or `FineTuneShown`; its `request` is null where "
        f"the body would have more than {MAX_BODY_BYTES} bytes with it.",
        examples=[{"id": JOB_ID, "status": "succeeded"}],
    )
    image: ImageShown | None = Field(description="The picture, where the event is `image`; else null.", examples=[None])


def native(happening: Happening) -> dict[str, Any]:
    """The event, and the job in the shape in which the API shows it."""
    picture = Artifact.model_validate_json(happening.data) if happening.event == "image" else None
    told = Told(
        type=f"{happening.job.kind}.{happening.event}",
        timestamp=happening.at,
        data=happening.shown.model_dump(mode="json"),
        image=None if picture is None else ImageShown.of(picture, happening.links),
    )
    body = told.model_dump(mode="json")
    if len(encoded(body).encode()) > MAX_BODY_BYTES:
        body["data"]["request"] = None
    return body
