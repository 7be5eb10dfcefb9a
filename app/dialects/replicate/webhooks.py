"""Webhooks in Replicate's words: which of our events theirs are, what is told, and the secret that signs it."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import ResourcesOf
from app.dialects.replicate.logs import log_of
from app.dialects.replicate.route import ReplicateRoute
from app.dialects.replicate.shapes import PredictionShown
from app.file_kinds import blaming
from app.links import Links
from app.resources import Resources
from app.webhooks.addresses import MAX_URL_LENGTH
from app.webhooks.asked import webhook_to
from app.webhooks.bodies import Happening
from contract.catalogue import Catalogue
from contract.errors import InvalidRequest, LimitExceeded, StoreUnavailable
from contract.webhooks import ENDINGS, Webhook, WebhookEvent

router = APIRouter(prefix="/v1/webhooks/default", tags=["replicate"], route_class=ReplicateRoute)

NAME = "replicate"
SECRET = "default"
"""The name of the secret that signs all of a tenant's webhooks of this dialect: its clients know one."""

EventName = Literal["start", "output", "logs", "completed"]

EVENTS = MappingProxyType[EventName, tuple[WebhookEvent, ...]](
    {"start": ("started",), "output": ("image",), "logs": ("progress",), "completed": ENDINGS}
)
BY_DEFAULT: tuple[EventName, ...] = ("output", "completed")


class DefaultSecret(BaseModel):
    """The secret that signs webhooks."""

    key: str = Field(
        description="The secret, as Replicate's SDK and libraries for Standard Webhooks take it.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
    )


@router.get(
    "/secret",
    response_description="The secret.",
    responses=ReplicateRoute.documented(LimitExceeded, StoreUnavailable),
)
async def read_default_secret(resources: ResourcesOf) -> DefaultSecret:
    """Read the secret that signs the webhooks of predictions; it is made when it is first asked for."""
    return DefaultSecret(key=(await resources.webhook_secrets.read(SECRET)).key)


def webhook_body(catalogue: Catalogue, happening: Happening) -> dict[str, Any]:
    """The prediction as it was then."""
    job = happening.generation
    shown = PredictionShown.of(job, catalogue, happening.links, log_of(job))
    return shown.model_dump(mode="json")


class WebhookAsked(BaseModel):
    """Where to be told of a prediction, and of what."""

    model_config = ConfigDict(extra="forbid", strict=True)

    webhook: Annotated[str, Field(min_length=1, max_length=MAX_URL_LENGTH)] | None = Field(
        default=None,
        description="An `https:` or `http:` URL, which is sent the prediction whenever something happens to it, signed "
        "as Standard Webhooks say.",
        examples=["https://example.com/hooks/pictures"],
    )
    webhook_events_filter: Annotated[list[EventName], Field(min_length=1)] | None = Field(
        default=None,
        description="What to be told of; null takes `output` and `completed`. `logs` comes at most twice a second.",
        examples=[["start", "completed"]],
    )
    webhook_completed: Annotated[str, Field(min_length=1, max_length=MAX_URL_LENGTH)] | None = Field(
        default=None, description="A URL that is told of the end alone, as old clients have it.", examples=[None]
    )

    def wanted(self, resources: Resources, links: Links) -> Webhook | None:
        """Where to tell of what. Raises: InvalidRequest."""
        if self.webhook is not None and self.webhook_completed is not None:
            raise InvalidRequest("Say webhook or webhook_completed, not both.", field="webhook_completed")
        if self.webhook is None and self.webhook_events_filter is not None:
            raise InvalidRequest("webhook_events_filter needs webhook.", field="webhook_events_filter")
        if self.webhook_completed is not None:
            return _judged("webhook_completed", self.webhook_completed, ("completed",), resources, links)
        if self.webhook is not None:
            return _judged("webhook", self.webhook, self.webhook_events_filter or BY_DEFAULT, resources, links)
        return None


def _judged(field: str, url: str, names: Sequence[EventName], resources: Resources, links: Links) -> Webhook:
    events = [event for name in names for event in EVENTS[name]]
    with blaming(field):
        return webhook_to(url, events, resources, base=links.base, body=NAME, secret=SECRET)
