"""Fine-tunes: asked for, read, listed, cancelled, removed."""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from app.dependencies import IdempotencyKey, LinksOf, ResourcesOf
from app.error_responses import documented
from app.errors import BodyTooLarge, MalformedJSON, UnsupportedMediaType
from app.fine_tune_admission import REFUSALS, admit, quote
from app.fine_tune_dependencies import ExistingFineTune, FineTuneId, FineTunePresenterOf
from app.fine_tune_responses import FINE_TUNE_ID, FineTunePage, FineTuneQuoteShown, FineTuneShown
from app.json_bodies import JSONRoute
from app.posted import FineTunePosted
from app.routes.generations import DryRun
from app.routes.jobs import Listing
from contract.errors import (
    ArtifactStoreUnavailable,
    FileInUse,
    IdempotencyConflict,
    InvalidRequest,
    JobNotEnded,
    StoreUnavailable,
    UnknownFile,
    UnknownJob,
)

router = APIRouter(prefix="/v1/fine-tunes", tags=["fine-tunes"], route_class=JSONRoute)

HEADERS: dict[str, Any] = {
    "Location": {
        "description": "Where the fine-tune is.",
        "schema": {"type": "string"},
        "example": f"/v1/fine-tunes/{FINE_TUNE_ID}",
    }
}


@router.post(
    "",
    status_code=202,
    response_description="The fine-tune is accepted.",
    responses={
        200: {"model": FineTuneQuoteShown, "description": "With `dry_run`: what it would cost."},
        202: {"model": FineTuneShown, "headers": HEADERS},
        **documented(MalformedJSON, UnsupportedMediaType, BodyTooLarge, IdempotencyConflict, *REFUSALS),
    },
)
async def create_fine_tune(
    *,
    posted: FineTunePosted,
    request: Request,
    response: Response,
    resources: ResourcesOf,
    presenter: FineTunePresenterOf,
    links: LinksOf,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> FineTuneShown | FineTuneQuoteShown:
    """Teach a model the pictures of a data set."""
    if dry_run:
        response.status_code = 200
        return await quote(posted, resources)
    most_seconds = resources.settings.fine_tune_retention_seconds
    terms = posted.terms(resources, links.base, idempotency_key, most_seconds=most_seconds)
    job = (await admit(posted.request, resources, terms)).job
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/v1/fine-tunes/{job.id}"
    return presenter.admitted(job)


@router.get("", response_description="One page of fine-tunes.", responses=documented(InvalidRequest, StoreUnavailable))
async def list_fine_tunes(
    listing: Annotated[Listing, Query()], resources: ResourcesOf, presenter: FineTunePresenterOf
) -> FineTunePage:
    """List fine-tunes, newest first; those that are admitted meanwhile do not shift the pages."""
    cursor = None if listing.cursor is None else int(listing.cursor)
    jobs, following = await resources.fine_tunes.page(status=listing.status, limit=listing.limit, cursor=cursor)
    return FineTunePage(data=await presenter.several(jobs), next_cursor=None if following is None else str(following))


@router.get(
    "/{fine_tune_id}",
    response_description="The fine-tune as it is now.",
    responses=documented(UnknownJob, StoreUnavailable),
)
async def read_fine_tune(job: ExistingFineTune, presenter: FineTunePresenterOf) -> FineTuneShown:
    """Read a fine-tune."""
    return await presenter.one(job)


@router.post(
    "/{fine_tune_id}/cancel",
    response_description="The fine-tune after that; a running one ends within some seconds.",
    responses=documented(UnknownJob, StoreUnavailable),
)
async def cancel_fine_tune(
    fine_tune_id: FineTuneId, resources: ResourcesOf, presenter: FineTunePresenterOf
) -> FineTuneShown:
    """Ask for the end of a fine-tune. What its last checkpoint has learnt stays; one that has ended stays as it is."""
    return await presenter.one(await resources.fine_tunes.cancel(fine_tune_id))


@router.delete(
    "/{fine_tune_id}",
    status_code=204,
    response_description="The fine-tune and what it has made are gone.",
    responses=documented(UnknownJob, JobNotEnded, FileInUse, StoreUnavailable, ArtifactStoreUnavailable),
)
async def delete_fine_tune(job: ExistingFineTune, resources: ResourcesOf) -> None:
    """Remove an ended fine-tune, its samples and its result."""
    if not job.ended:
        raise JobNotEnded(f"The fine-tune is {job.status}; cancel it first.")
    # The files go first: when that fails, the fine-tune is still there to be removed again.
    if job.result is not None and job.result.adapter_file is not None:
        with suppress(UnknownFile):
            await resources.files.remove(job.result.adapter_file)
    await resources.artifacts.delete_all(f"{job.id}/")
    await resources.fine_tunes.delete(job.id)
