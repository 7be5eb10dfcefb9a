"""Predictions come in here, and leave as jobs."""

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from app.admission import REFUSALS, admit
from app.dependencies import ResourcesOf
from app.dialects.replicate.asked import ModelPredictionAsked, PredictionAsked
from app.dialects.replicate.models import ModelName, Owner
from app.dialects.replicate.outputs import Presenter, PresenterOf
from app.dialects.replicate.route import PredictionRoute
from app.dialects.replicate.shapes import PredictionShown
from app.errors import BodyTooLarge, MalformedJSON, UnsupportedMediaType
from app.followers import patiently
from app.model_versions import find_model
from app.prefer import MAX_WAIT_SECONDS, preferred_wait
from app.responses import JOB_ID
from contract.catalogue import ModelSpec
from contract.errors import InvalidRequest
from contract.terms import Terms

router = APIRouter(prefix="/v1", tags=["replicate"], route_class=PredictionRoute)

HEADERS: dict[str, Any] = {
    "Location": {
        "description": "Where the prediction is.",
        "schema": {"type": "string"},
        "example": f"/v1/predictions/{JOB_ID}",
    },
    "Preference-Applied": {
        "description": "The `wait` that was honoured.",
        "schema": {"type": "string"},
        "example": "wait=60",
    },
}
ACCEPTED = "The prediction is accepted; with `Prefer: wait`, it has ended."
ANSWERS: dict[int | str, dict[str, Any]] = {
    201: {"headers": HEADERS},
    202: {
        "model": PredictionShown,
        "description": "It has not ended while the client waited; it is shown as it was when it was accepted.",
        "headers": HEADERS,
    },
    **PredictionRoute.documented(MalformedJSON, UnsupportedMediaType, BodyTooLarge, *REFUSALS),
}


class Call(NamedTuple):
    """A client's call, and how long it waits for the end of what it asks."""

    request: Request
    response: Response
    presenter: Presenter
    wait_seconds: int | None

    async def predict(self, spec: ModelSpec, asked: ModelPredictionAsked) -> PredictionShown:
        """Admits what is asked as a job, and waits."""
        resources = self.presenter.resources
        generation = asked.input.request_for(spec)
        webhook = asked.wanted(resources, self.presenter.links)
        with asked.input.blamed():
            job = (await admit(generation, resources, Terms(webhook=webhook))).job
        self.response.headers["Location"] = f"{self.request.scope.get('root_path', '')}/v1/predictions/{job.id}"
        if self.wait_seconds is None:
            return self.presenter.prediction(job)
        self.response.headers["Preference-Applied"] = f"wait={self.wait_seconds}"
        ended = await patiently(job, self.wait_seconds, self.request, resources)
        if ended.ended:
            return await self.presenter.awaited(ended)
        # The SDK takes every status but `starting` for the end, and goes on with what output there is.
        self.response.status_code = 202
        self.presenter.remember(self.response, job)
        return self.presenter.prediction(job.as_admitted())


async def call(
    *,
    request: Request,
    response: Response,
    presenter: PresenterOf,
    prefer: Annotated[
        list[str] | None,
        Header(
            alias="Prefer",
            description="`wait=N` waits up to N seconds, 0 to 60, for the prediction to end; `wait` alone up to 60. "
            "Other preferences are passed over.",
            examples=["wait", "wait=10"],
        ),
    ] = None,
    cancel_after: Annotated[
        str | None, Header(alias="Cancel-After", description="Refused: there are no deadlines.", examples=[None])
    ] = None,
) -> Call:
    """From the headers. Raises: InvalidRequest."""
    if cancel_after is not None:
        raise InvalidRequest("There are no deadlines here; POST to `urls.cancel` instead.", field="Cancel-After")
    return Call(request, response, presenter, preferred_wait(prefer or (), bare_seconds=MAX_WAIT_SECONDS))


CallOf = Annotated[Call, Depends(call)]


@router.post("/predictions", status_code=201, response_description=ACCEPTED, responses=ANSWERS)
async def create_prediction(asked: PredictionAsked, call: CallOf, resources: ResourcesOf) -> PredictionShown:
    """Accept a prediction by a model or a version as a job, and wait for its end if the client prefers that."""
    return await call.predict(find_model(resources.catalogue, asked.version, field="version"), asked)


@router.post(
    "/models/{owner}/{name:name}/predictions", status_code=201, response_description=ACCEPTED, responses=ANSWERS
)
async def create_model_prediction(
    owner: Owner, name: ModelName, asked: ModelPredictionAsked, call: CallOf, resources: ResourcesOf
) -> PredictionShown:
    """Accept a prediction by the model that the path names, as a job; waiting is as for any prediction."""
    return await call.predict(find_model(resources.catalogue, f"{owner}/{name}", field="name"), asked)
