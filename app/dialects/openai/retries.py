"""Which calls repeat an earlier one: OpenAI's clients try again by themselves, and say so without any key.

They send the same body with the same credentials, and how often they have tried already. So the first try of a request
leaves a key, made from its caller and its content, in the same step in which its job is admitted; a later try finds it.
"""

from dataclasses import replace
from typing import Annotated, NamedTuple

from fastapi import Depends, Header
from starlette.requests import Request

from app.admission import NOTHING_BROUGHT, Brought, admit
from app.dependencies import IdempotencyKey
from app.resources import Resources
from contract.job import Job
from contract.job_store import Admission
from contract.request import GenerationRequest
from contract.terms import Repeatable, Terms

RETRY_SECONDS = 1800
"""Clients wait for ten minutes, and try three times."""


class Call(NamedTuple):
    """Who calls, and what is known of whether this call repeats another."""

    authorization: str
    num_retries: int
    idempotency_key: str | None


async def call(
    request: Request,
    num_retries: Annotated[
        int,
        Header(
            alias="X-Stainless-Retry-Count",
            ge=0,
            description="How often the client has tried already. From 1 on, this call joins the job of its first try.",
            examples=[0],
        ),
    ] = 0,
    idempotency_key: IdempotencyKey = None,
) -> Call:
    """What the headers say."""
    return Call(request.headers.get("authorization", ""), num_retries, idempotency_key)


CallOf = Annotated[Call, Depends(call)]


async def admitted(
    generation: GenerationRequest, call: Call, resources: Resources, brought: Brought = NOTHING_BROUGHT
) -> Job:
    """The job that a call became, or that its first try has become.

    Two calls that are alike and repeat nothing are two jobs; a retry of either then joins the later one.
    Raises: as `app.admission.admit`.
    """
    if call.idempotency_key is not None:
        given = Terms(repeatable=Repeatable(call.idempotency_key))
        return (await admit(generation, resources, given, brought=brought)).job
    retry = Repeatable(f"openai\n{call.authorization}\n{generation.model_dump_json()}", RETRY_SECONDS)
    first = replace(retry, fresh=True)

    async def attempt(repeatable: Repeatable) -> Admission:
        return await admit(generation, resources, Terms(repeatable=repeatable), brought=brought)

    admission = await attempt(retry if call.num_retries else first)
    if admission.replayed and _is_worth_another(admission.job):
        admission = await attempt(first)
    return admission.job


def _is_worth_another(job: Job) -> bool:
    """Whether a job failed in a way that a client was told to try again after."""
    return job.error is not None and job.error.retryable
