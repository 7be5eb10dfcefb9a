"""What webhooks say: one function for each way of saying it, and here is Safelight's own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.responses import ImageShown, JobShown, Links
from contract.artifact import Artifact
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
    job: Job
    links: Links

    @classmethod
    def of(cls, claimed: Claimed) -> "Happening":
        """What a delivery is about."""
        delivery = claimed.delivery
        links = Links(claimed.webhook.base)
        return cls(delivery.event, delivery.data, delivery.occurred_at, claimed.job, links)


Body = Callable[[Happening], dict[str, Any]]
"""Makes the body of a webhook, a JSON object; it is called again for every try, and must say the same each time."""

Bodies = Mapping[str, Body]


def encoded(body: dict[str, Any]) -> str:
    """A body as it is signed and sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def native(happening: Happening) -> dict[str, Any]:
    """The event, and the job in the shape in which the API shows it."""
    shown = JobShown.of(happening.job, None, happening.job.progress.eta_seconds, happening.links)
    body: dict[str, Any] = {
        "type": f"{happening.job.kind}.{happening.event}",
        "timestamp": happening.at.isoformat().replace("+00:00", "Z"),
        "data": shown.model_dump(mode="json"),
    }
    if happening.event == "image":
        artifact = Artifact.model_validate_json(happening.data)
        body["image"] = ImageShown.of(artifact, happening.links).model_dump(mode="json")
    if len(encoded(body).encode()) > MAX_BODY_BYTES:
        body["data"]["request"] = None
    return body
