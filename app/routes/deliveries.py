"""The deliveries of a webhook, of a job or of a fine-tune: the log, and another round of tries."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.dependencies import ExistingJob, ResourcesOf
from app.error_responses import documented
from app.fine_tune_dependencies import ExistingFineTune
from app.resources import Resources
from app.responses import TIME
from contract.errors import StoreUnavailable, UnknownDelivery, UnknownJob
from contract.fine_tunes import FineTune
from contract.job import Job
from contract.outbox import AttemptError, Delivery, DeliveryStatus
from contract.webhooks import WebhookEvent

router = APIRouter(prefix="/v1/jobs", tags=["webhooks"])
of_fine_tunes = APIRouter(prefix="/v1/fine-tunes", tags=["webhooks"])

DELIVERY_ID = "whd_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6_1"


class AttemptShown(BaseModel):
    """One try to deliver."""

    at: datetime = Field(description="When it began.", examples=[TIME])
    seconds: float = Field(description="How long it took.", examples=[0.042])
    status_code: int | None = Field(description="What the receiver answered; null without an answer.", examples=[200])
    error: AttemptError | None = Field(
        description="Why there was no answer: `address_refused` (not a public address), `name_unknown`, `unreachable`, "
        "`tls_failed`, `broken` (the connection), `timed_out`, or `unspoken` (a fault of ours).",
        examples=[None],
    )


class DeliveryShown(BaseModel):
    """One event that the receiver is told of."""

    id: str = Field(description="The `webhook-id`, the same in every try.", examples=[DELIVERY_ID])
    event: WebhookEvent = Field(description="What happened.", examples=["succeeded"])
    status: DeliveryStatus = Field(
        description="`pending` will be tried, `succeeded` was taken, `failed` was tried too often, and `disabled` had "
        "the answer 410, or its URL had it in the last day.",
        examples=["succeeded"],
    )
    occurred_at: datetime = Field(description="When it happened.", examples=[TIME])
    next_attempt_at: datetime | None = Field(
        description="When it is tried next; null while it is being tried, and after the last try.", examples=[None]
    )
    attempts: list[AttemptShown] = Field(description="The last 20 tries.", examples=[[]])

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryShown":
        """A delivery as clients see it."""
        return cls.model_validate(delivery.model_dump(exclude={"data", "tries", "asked_again"}))


class DeliveryList(BaseModel):
    """All deliveries of a job."""

    object: Literal["list"] = Field(default="list", description="What this is.", examples=["list"])
    url: str | None = Field(
        description="Where they go; null where the job has no webhook.", examples=["https://example.com/hooks/pictures"]
    )
    data: list[DeliveryShown] = Field(
        description="The deliveries, in the order of their events; of progress only the last.", examples=[[]]
    )


AGAIN = "The delivery, which is tried now, and again as if it had never been."

DeliveryId = Annotated[str, Path(description="The delivery's id.", examples=[DELIVERY_ID])]


@router.get(
    "/{job_id}/deliveries",
    response_description="The deliveries up to now.",
    responses=documented(UnknownJob, StoreUnavailable),
)
async def list_deliveries(job: ExistingJob, resources: ResourcesOf) -> DeliveryList:
    """Read what the job's webhook was sent, and what came of it."""
    return await _deliveries(job, resources)


@router.post(
    "/{job_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    response_description=AGAIN,
    responses=documented(UnknownJob, UnknownDelivery, StoreUnavailable),
)
async def redeliver(job: ExistingJob, delivery_id: DeliveryId, resources: ResourcesOf) -> DeliveryShown:
    """Send a webhook again, with the same `webhook-id`, also to a URL that answered 410."""
    return DeliveryShown.of(await resources.outbox.redeliver(job.id, delivery_id))


@of_fine_tunes.get(
    "/{fine_tune_id}/deliveries",
    response_description="The deliveries up to now.",
    responses=documented(UnknownJob, StoreUnavailable),
)
async def list_fine_tune_deliveries(job: ExistingFineTune, resources: ResourcesOf) -> DeliveryList:
    """Read what the fine-tune's webhook was sent, and what came of it."""
    return await _deliveries(job, resources)


@of_fine_tunes.post(
    "/{fine_tune_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    response_description=AGAIN,
    responses=documented(UnknownJob, UnknownDelivery, StoreUnavailable),
)
async def redeliver_of_fine_tune(
    job: ExistingFineTune, delivery_id: DeliveryId, resources: ResourcesOf
) -> DeliveryShown:
    """Send a fine-tune's webhook again, with the same `webhook-id`, also to a URL that answered 410."""
    return DeliveryShown.of(await resources.outbox.redeliver(job.id, delivery_id))


async def _deliveries(job: Job | FineTune, resources: Resources) -> DeliveryList:
    deliveries = await resources.outbox.of_job(job.id)
    return DeliveryList(
        url=None if job.webhook is None else job.webhook.url,
        data=[DeliveryShown.of(delivery) for delivery in deliveries],
    )
