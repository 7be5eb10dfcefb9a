"""Prompts come in here, and leave as jobs."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Header, Query

from app.admission import BRANCHING, REFUSALS
from app.dependencies import IdempotencyKey, LinksOf
from app.error_responses import documented
from app.errors import BodyTooLarge, MalformedJSON, UnsupportedMediaType
from app.json_bodies import JSONRoute
from app.posted import GenerationPosted
from app.prefer import forbids_storing
from app.quotes import QuoteShown, quote
from app.reception import HEADERS, ReceptionOf
from app.responses import JobShown
from contract.errors import IdempotencyConflict

router = APIRouter(prefix="/v1", tags=["generations"], route_class=JSONRoute)

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
    reception: ReceptionOf,
    links: LinksOf,
    idempotency_key: IdempotencyKey = None,
    cache_control: CacheControl = None,
    dry_run: DryRun = False,
) -> JobShown | QuoteShown:
    """Accept a prompt as a job, and wait for its end if the client prefers that."""
    resources = reception.resources
    if dry_run:
        reception.response.status_code = 200
        return await quote(generation, resources)
    terms = replace(
        generation.terms(resources, links.base, idempotency_key, most_seconds=resources.settings.retention_seconds),
        trace=generation.trace,
        no_store=forbids_storing(cache_control or ()),
        branch=generation.branch_from,
    )
    return await reception.accept(generation.request, terms)
