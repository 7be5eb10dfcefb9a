"""From a request to teach to a job: completed from its data set as it is now, and admitted in one step."""

from dataclasses import replace

from app.admission import have_secret
from app.errors import NotOffered
from app.file_kinds import blaming
from app.fine_tune_responses import FineTuneQuoteShown, FineTuneRequestShown, TeachingCostShown
from app.posted import FineTunePosted
from app.resources import Resources
from contract.admitted import Admitted, DatasetChanged
from contract.datasets import Dataset
from contract.errors import (
    EmptyDataset,
    InvalidRequest,
    LimitExceeded,
    PromptRefused,
    QueueFull,
    QuotaExceeded,
    QuotaTooSmall,
    SafelightError,
    StoreUnavailable,
    UnknownDataset,
    UnknownModel,
    UnsupportedModel,
)
from contract.fine_tunes import FineTune, pixel_steps
from contract.fine_tuning import CompleteFineTune, FineTuneRequest
from contract.recipes import Completed, complete
from contract.terms import Terms
from contract.tracing import span_of, traceparent_of

REFUSALS: tuple[type[SafelightError], ...] = (
    InvalidRequest,
    UnknownModel,
    UnsupportedModel,
    UnknownDataset,
    EmptyDataset,
    LimitExceeded,
    PromptRefused,
    QueueFull,
    QuotaExceeded,
    QuotaTooSmall,
    NotOffered,
    StoreUnavailable,
)
"""What the operation says in OpenAPI of how a request may be refused."""


async def admit(asked: FineTuneRequest, resources: Resources, terms: Terms) -> Admitted[FineTune]:
    """The fine-tune that a request became, now or when the same call came before under its key.

    Raises: Forbidden, and as REFUSALS and IdempotencyConflict.
    """
    _check_offered(resources)
    with span_of(resources.tracer, "admit") as span:
        origin = replace(resources.origin, traceparent=traceparent_of(span))
        granted = resources.caller.priority(terms.priority)
        terms = replace(terms, priority=granted, origin=origin)
        admission = await _admit(asked, resources, terms)
        span.set_attribute("safelight.job_id", admission.job.id)
        span.set_attribute("safelight.model", admission.job.request.model)
    return admission


async def quote(posted: FineTunePosted, resources: Resources) -> FineTuneQuoteShown:
    """What a request would cost. Raises: as `admit` where the request itself is at fault."""
    _check_offered(resources)
    granted = resources.caller.priority(posted.priority)
    _, (request, warnings) = await _completed(posted.request, resources)
    outlook, place = await resources.fine_tunes.expect(granted)
    forecast = await resources.teaching_costs.forecast(request)
    seconds = None if forecast is None else round(forecast.own_seconds, 1)
    return FineTuneQuoteShown(
        request=FineTuneRequestShown.model_validate(request.again.model_dump()),
        cost=TeachingCostShown(pixel_steps=pixel_steps(request), seconds=seconds),
        warnings=list(warnings),
        priority=granted,
        queue_position=place.position,
        eta_seconds=outlook.seconds_to_end(place, forecast),
    )


async def _admit(asked: FineTuneRequest, resources: Resources, terms: Terms) -> Admitted[FineTune]:
    # The data set may be gone by now, or another, that was there when the job was admitted.
    if (earlier := await resources.fine_tunes.replayed(asked, terms)) is not None:
        return Admitted(earlier, replayed=True)
    await have_secret(terms, resources)
    while True:
        dataset, (request, warnings) = await _completed(asked, resources)
        try:
            return await resources.fine_tunes.admit(
                asked,
                request,
                terms,
                max_queued=resources.settings.max_queued_jobs,
                allowance=resources.caller.allowance,
                forecast=await resources.teaching_costs.forecast(request),
                dataset=dataset,
                warnings=warnings,
            )
        except DatasetChanged:
            continue


async def _completed(asked: FineTuneRequest, resources: Resources) -> tuple[Dataset, Completed]:
    """The data set as it is now, and the request with nothing left open."""
    catalogue = resources.catalogue
    spec = catalogue.find(catalogue.default_model if asked.model is None else asked.model)
    with blaming("dataset"):
        dataset = await resources.datasets.get(asked.dataset)
    completed = complete(asked, spec, dataset)
    _check_texts(completed.request, resources)
    return dataset, completed


def _check_texts(request: CompleteFineTune, resources: Resources) -> None:
    """Refuses what the operator refuses, wherever it stands. Raises: PromptRefused, naming the field alone."""
    texts = {"trigger": request.trigger or ""}
    texts |= {f"validation_prompts.{index}": prompt for index, prompt in enumerate(request.validation_prompts)}
    if request.prior_preservation is not None:
        texts["prior_preservation.class_prompt"] = request.prior_preservation.class_prompt
    for field, text in texts.items():
        resources.deny_list.check_text(field, text)
    for picture in request.pictures:
        resources.deny_list.check_text("dataset", picture.caption)


def _check_offered(resources: Resources) -> None:
    if not resources.settings.fine_tuning:
        raise NotOffered("Models cannot be taught here: SAFELIGHT_FINE_TUNING is off.")
