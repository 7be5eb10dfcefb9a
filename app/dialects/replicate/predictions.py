"""Predictions: read, listed, cancelled."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import ResourcesOf
from app.dialects.replicate.outputs import PresenterOf
from app.dialects.replicate.route import ReplicateRoute
from app.dialects.replicate.shapes import PredictionPage, PredictionShown
from app.responses import JOB_ID
from contract.errors import InvalidRequest, StoreUnavailable, UnknownJob
from contract.job import Job

router = APIRouter(prefix="/v1/predictions", tags=["replicate"], route_class=ReplicateRoute)

PAGE_SIZE = 100

PredictionId = Annotated[str, Path(description="The prediction's id, which is the job's.", examples=[JOB_ID])]


async def existing_prediction(prediction_id: PredictionId, resources: ResourcesOf) -> Job:
    """The job that the path names. Raises: UnknownJob."""
    return await resources.job_store.get(prediction_id)


ExistingPrediction = Annotated[Job, Depends(existing_prediction)]


class Listing(BaseModel):
    """Which predictions to list."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(
        default=None, pattern=r"^[0-9]{1,15}$", description="What `next` of the page before names.", examples=["41"]
    )


@router.get("", response_description="One page.", responses=ReplicateRoute.documented(InvalidRequest, StoreUnavailable))
async def list_predictions(
    listing: Annotated[Listing, Query()], resources: ResourcesOf, presenter: PresenterOf
) -> PredictionPage:
    """List all jobs as predictions, newest first; those that are created meanwhile do not shift the pages."""
    cursor = None if listing.cursor is None else int(listing.cursor)
    jobs, following = await resources.job_store.page(limit=PAGE_SIZE, cursor=cursor)
    return PredictionPage(
        results=[presenter.listed(job) for job in jobs],
        next=None if following is None else f"{presenter.links.base}/v1/predictions?cursor={following}",
    )


@router.get(
    "/{prediction_id}",
    response_description="The prediction as it is now.",
    responses=ReplicateRoute.documented(UnknownJob, StoreUnavailable),
)
async def read_prediction(job: ExistingPrediction, presenter: PresenterOf) -> PredictionShown:
    """Read a prediction."""
    return await presenter.asked_for(job)


@router.post(
    "/{prediction_id}/cancel",
    response_description="The prediction after that; a running one ends at its next denoising step.",
    responses=ReplicateRoute.documented(UnknownJob, StoreUnavailable),
)
async def cancel_prediction(
    prediction_id: PredictionId, resources: ResourcesOf, presenter: PresenterOf
) -> PredictionShown:
    """Ask for the end of a prediction. One that waits never starts; one that has ended stays as it is."""
    return presenter.prediction(await resources.job_store.cancel(prediction_id))
