"""How a client asks to be called back."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.file_kinds import blaming
from app.resources import Resources
from app.webhooks.addresses import MAX_URL_LENGTH, origin, receiver
from contract.webhooks import ENDINGS, WEBHOOK_EVENTS, Webhook, WebhookEvent


class WebhookAsked(BaseModel):
    """Where to be told of a job, and of which of its events."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(strict=True)] = Field(
        min_length=1,
        max_length=MAX_URL_LENGTH,
        description="An `https:` or `http:` URL, which is sent a POST for each event, signed as Standard Webhooks say; "
        "`GET /v1/webhooks/secret` has the secret. Private addresses are refused unless the operator allows them.",
        examples=["https://example.com/hooks/pictures"],
    )
    events: tuple[WebhookEvent, ...] = Field(
        default=ENDINGS,
        min_length=1,
        max_length=len(WEBHOOK_EVENTS),
        description="What to be told of. `progress` comes at most twice a second, and is not tried again.",
        examples=[["succeeded", "failed", "cancelled"]],
    )


def webhook(asked: WebhookAsked | None, resources: Resources, base: str) -> Webhook | None:
    """What a client asked for, as it goes with the job. Raises: InvalidRequest, naming the field."""
    if asked is None:
        return None
    with blaming("webhook.url"):
        return webhook_to(asked.url, asked.events, resources, base=base)


def webhook_to(
    url: str,
    events: Iterable[WebhookEvent],
    resources: Resources,
    *,
    base: str,
    body: str = "native",
    secret: str | None = None,
) -> Webhook:
    """A webhook whose receiver has been judged. `secret` is the name of the one that signs; by default, its origin's.

    Raises: InvalidRequest, naming no field.
    """
    to = receiver(url, resources.settings.reachable_networks)
    chosen = frozenset(events)
    return Webhook(
        url=str(to),
        origin=origin(to),
        events=tuple(event for event in WEBHOOK_EVENTS if event in chosen),
        body=body,
        secret=origin(to) if secret is None else secret,
        base=base,
    )
