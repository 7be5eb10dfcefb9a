"""What a client is called back about: a job's events, where to, and in whose words."""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

WebhookEvent = Literal["started", "image", "progress", "succeeded", "failed", "cancelled"]

WEBHOOK_EVENTS: tuple[WebhookEvent, ...] = get_args(WebhookEvent)
ENDINGS: tuple[WebhookEvent, ...] = ("succeeded", "failed", "cancelled")


class Webhook(BaseModel):
    """Where to tell of a job, and how. It travels beside the request, and is no part of what makes a picture.

    `url` is in the form that `app.webhooks.addresses` gives it; `body` names the function that makes bodies; `secret`
    names the tenant's secret that signs them; `base` is the address at which the client reached this API, under which
    the links in bodies are.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    events: tuple[WebhookEvent, ...] = ENDINGS
    body: str = "native"
    secret: str
    tenant: str = ""
    base: str

    @property
    def asked(self) -> str:
        """What the client chose, as text that is the same whenever the choice is."""
        return self.model_dump_json(include={"url", "events", "body", "secret"})
