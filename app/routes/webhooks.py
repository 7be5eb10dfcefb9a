"""The secrets that sign webhooks: read, and replaced."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from app.dependencies import ResourcesOf
from app.error_responses import documented
from app.file_kinds import blaming
from app.responses import TIME
from app.webhooks.addresses import MAX_URL_LENGTH, origin, receiver
from app.webhooks.bodies import Told
from contract.errors import InvalidRequest, LimitExceeded, StoreUnavailable
from contract.webhook_secrets import WebhookSecret

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
receivers = APIRouter(tags=["webhooks"])
"""What the others serve: for OpenAPI only."""


@receivers.post(
    "generation.event",
    summary="Hear of an event of a job",
    response_description="It was taken. 410 wants no more of them, and every other answer wants it again.",
)
async def hear(told: Told) -> None:
    """Sent to the `url` of a job's `webhook`, at least once for each event, with the headers of Standard Webhooks:
    `webhook-id`, which is the same in every try, `webhook-timestamp`, and `webhook-signature`.
    """


class SecretShown(BaseModel):
    """The secret that signs what one receiver is sent."""

    origin: str = Field(description="Whose secret it is: scheme, host and port.", examples=["https://example.com:443"])
    key: str = Field(
        description="The secret, as libraries for Standard Webhooks take it.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
    )
    created_at: datetime = Field(description="When it was made.", examples=[TIME])
    previous_key_until: datetime | None = Field(
        description="Until when the secret before it signs too; null where it does not.", examples=[None]
    )

    @classmethod
    def of(cls, owner: str, secret: WebhookSecret) -> "SecretShown":
        """A secret as clients see it; one that was replaced is not shown again."""
        return cls(origin=owner, key=secret.key, created_at=secret.created_at, previous_key_until=secret.previous_until)


async def secret_owner(
    url: Annotated[
        str,
        Query(
            max_length=MAX_URL_LENGTH,
            description="A URL of the receiver; all URLs of one scheme, host and port share a secret.",
            examples=["https://example.com/hooks/pictures"],
            json_schema_extra={"pattern": "^https?://"},
        ),
    ],
    resources: ResourcesOf,
) -> str:
    """The origin whose secret is meant. Raises: InvalidRequest."""
    with blaming("url"):
        return origin(receiver(url, resources.settings.reachable_networks))


SecretOwner = Annotated[str, Depends(secret_owner)]


@router.get(
    "/secret",
    response_description="The secret in force.",
    responses=documented(InvalidRequest, LimitExceeded, StoreUnavailable),
)
async def read_secret(owner: SecretOwner, resources: ResourcesOf) -> SecretShown:
    """Read the secret that signs what a receiver is sent; it is made when it is first asked for."""
    with blaming("url"):
        return SecretShown.of(owner, await resources.webhook_secrets.read(owner))


@router.post(
    "/secret/rotate",
    response_description="The new secret.",
    responses=documented(InvalidRequest, LimitExceeded, StoreUnavailable),
)
async def rotate_secret(owner: SecretOwner, resources: ResourcesOf) -> SecretShown:
    """Replace the secret of a receiver. For a while both sign, so that the receiver can change over in between."""
    overlap_seconds = resources.settings.webhook_secret_overlap_seconds
    with blaming("url"):
        return SecretShown.of(owner, await resources.webhook_secrets.rotate(owner, overlap_seconds=overlap_seconds))
