"""What a client is called back about: a job's events, where to, and in whose words."""

import hashlib
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

WebhookEvent = Literal["started", "image", "progress", "succeeded", "failed", "cancelled"]

WEBHOOK_EVENTS: tuple[WebhookEvent, ...] = get_args(WebhookEvent)
ENDINGS: tuple[WebhookEvent, ...] = ("succeeded", "failed", "cancelled")


class Webhook(BaseModel):
    """Where to tell of a job, and how. It travels beside the request, and is no part of what makes a picture.

    `url` and its `origin` are in the forms that `app.webhooks.addresses` gives them; `body` names the function that
    makes bodies; `secret` names the tenant's secret that signs them; `base` is the address at which the client reached
    this API, under which the links in bodies are.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    origin: str
    events: tuple[WebhookEvent, ...] = ENDINGS
    body: str = "native"
    secret: str
    base: str

    @property
    def asked(self) -> str:
        """What the client chose, as text that is the same whenever the choice is."""
        return self.model_dump_json(include={"url", "events", "body", "secret"})

    def record(self, tenant: str) -> dict[str, str]:
        """What a job's record says of it, for the scripts; a receiver is what a tenant has at one origin."""
        receiver = hashlib.sha256(f"{tenant}\n{self.origin}".encode()).hexdigest()[:16]
        events = f" {' '.join(self.events)} "
        return {"webhook": self.model_dump_json(), "webhook_events": events, "webhook_receiver": receiver}
