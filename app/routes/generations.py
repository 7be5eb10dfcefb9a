"""Prompts come in here, and leave as jobs."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from app.admission import BRANCHING, REFUSALS, admit
from app.dependencies import IdempotencyKey, LinksOf, Presenter, PresenterOf, ResourcesOf
from app.error_responses import documented
from app.errors import BodyTooLarge, MalformedJSON, UnsupportedMediaType
from app.followers import OnDisconnectQuery, patiently
from app.json_bodies import JSONRoute
from app.posted import GenerationPosted
from app.prefer import forbids_storing, preferred_wait
from app.quotes import QuoteShown, quote
from app.responses import JOB_ID, JobShown
from contract.errors import IdempotencyConflict, InvalidRequest
from contract.job import Job

router = APIRouter(prefix="/v1", tags=["generations"], route_class=JSONRoute)

PreferHeader = Annotated[
    list[str] | None,
    Header(
        alias="Prefer",
        description="`wait=N` waits up to N seconds, 0 to 60, for the job to end; other preferences are passed over.",
        examples=["wait=30"],
    ),
]
CacheControl = Annotated[
    list[str] | None,
    Header(
        alias="Cache-Control",
        description="`no-store` has the pictures made anew, and keeps them out of the cache from which equal requests "
        "are answered; they are still artifacts of this job. Other directives are passed over.",
        examples=["no-store"],
    ),
]
DryRun = Annotated[
    bool,
    Query(
        description="Whether to say what the job would cost and when it would end, and accept nothing.", examples=[True]
    ),
]

HEADERS: dict[str, Any] = {
    "Location": {"description": "Where the job is.", "schema": {"type": "string"}, "example": f"/v1/jobs/{JOB_ID}"},
    "Preference-Applied": {
        "description": "The `wait` that was honoured.",
        "schema": {"type": "string"},
        "example": "wait=30",
    },
}


@router.post(
    "/generations",
    status_code=202,
    response_description="The job is accepted, and has not ended yet.",
    responses={
        200: {
            "model": JobShown | QuoteShown,
            "description": "The job ended while the client waited; or with `dry_run`, what it would cost.",
            "headers": HEADERS,
        },
        202: {"model": JobShown, "headers": HEADERS},
        **documented(MalformedJSON, UnsupportedMediaType, BodyTooLarge, IdempotencyConflict, *BRANCHING, *REFUSALS),
    },
)
async def create_generation(
    *,
    generation: GenerationPosted,
    request: Request,
    response: Response,
    resources: ResourcesOf,
    presenter: PresenterOf,
    links: LinksOf,
    prefer: PreferHeader = None,
    idempotency_key: IdempotencyKey = None,
    cache_control: CacheControl = None,
    dry_run: DryRun = False,
    on_disconnect: OnDisconnectQuery = "keep",
) -> JobShown | QuoteShown:
    """Accept a prompt as a job, and wait for its end if the client prefers that."""
    wait_seconds = preferred_wait(prefer or ())
    if wait_seconds is None and on_disconnect == "cancel":
        raise InvalidRequest("Only a call that waits can be disconnected from: Prefer: wait=…", field="on_disconnect")
    if dry_run:
        response.status_code = 200
        return await quote(generation, resources)
    terms = replace(
        generation.terms(resources, links.base, idempotency_key, most_seconds=resources.settings.retention_seconds),
        trace=generation.trace,
        no_store=forbids_storing(cache_control or ()),
        branch=generation.branch_from,
    )
    admission = await admit(generation.request, resources, terms)
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/v1/jobs/{admission.job.id}"
    if wait_seconds is None:
        return presenter.admitted(admission.job)
    response.headers["Preference-Applied"] = f"wait={wait_seconds}"
    job = await patiently(admission.job, wait_seconds, request, resources, on_disconnect)
    response.status_code = 200 if job.ended else 202
    return await _shown(job, presenter)


async def _shown(job: Job, presenter: Presenter) -> JobShown:
    return presenter.admitted(job) if job.status == "queued" else await presenter.job(job)
