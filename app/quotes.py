"""What a request would cost, and when its job would end: everything that is done about a request but accepting it."""

from contextlib import AsyncExitStack
from typing import Literal

from pydantic import BaseModel, Field

from app.admission import completed
from app.posted import GenerationPosted
from app.resources import Resources
from app.responses import CostShown
from contract.job import Priority


class QuoteShown(BaseModel):
    """What a job would cost. Nothing was accepted, and nothing is owed."""

    object: Literal["quote"] = Field(default="quote", description="What this is.", examples=["quote"])
    cost: CostShown = Field(
        description="What it would ask of a device at most.",
        examples=[{"pixel_steps": 327680, "network_rows": 40, "gradients": 0, "classifier_gradients": 0}],
    )
    priority: Priority = Field(description="How it would wait.", examples=["normal"])
    queue_position: int = Field(description="The place where it would wait, 1 = next.", examples=[3])
    eta_seconds: float | None = Field(
        description="Seconds to its end, waiting included; null while no worker is alive, or none has run such a model "
        "yet.",
        examples=[4.5],
    )


async def quote(posted: GenerationPosted, resources: Resources) -> QuoteShown:
    """What a request would cost. Raises: as `app.admission.admit` where the request itself is at fault."""
    granted = resources.caller.priority(posted.priority)
    async with AsyncExitStack() as made:
        ttl_seconds = resources.settings.file_ttl_seconds
        complete = await completed(
            posted.request, resources, made, branch=posted.branch_from, ttl_seconds=ttl_seconds, trace=posted.trace
        )
    outlook, place = await resources.job_store.expect(granted)
    forecast = (await resources.costs.read()).forecast(complete)
    return QuoteShown(
        cost=CostShown.of(complete),
        priority=granted,
        queue_position=place.position,
        eta_seconds=outlook.seconds_to_end(place, forecast),
    )
