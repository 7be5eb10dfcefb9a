"""Maps of pictures: depth, normals, edges, segmentation, by models that were taught to draw them."""

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from app.admission import REFUSALS
from app.dependencies import IdempotencyKey, LinksOf
from app.error_responses import documented
from app.errors import BodyTooLarge, MalformedJSON, UnsupportedMediaType
from app.json_bodies import JSONRoute
from app.posted import JobPosted
from app.reception import HEADERS, ReceptionOf
from app.responses import JobShown
from app.taught_models import catalogue_for
from contract.errors import IdempotencyConflict, UnsupportedModel
from contract.inputs import ImageReference
from contract.request import MAX_SEED, GenerationRequest, MetadataKey, MetadataValue

router = APIRouter(prefix="/v1", tags=["generations"], route_class=JSONRoute)


class DensePredictionPosted(JobPosted):
    """What is to be mapped, by which model, and what is to be done about the job."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: str = Field(
        description="A model that makes maps: a fine-tune of yours by `image_conditional`, or one from "
        "`GET /v1/models` with a `map`.",
        examples=["ft_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"],
    )
    image: ImageReference = Field(
        description="The picture: the id of a file or of an artifact, or a `data:` URI. Its map has the same size.",
        examples=["file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"],
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="For models that begin at noise; null draws one, and the job says which.",
        examples=[7],
    )
    num_inference_steps: int | None = Field(
        default=None,
        ge=1,
        description="Null takes the model's default, which is 1 for models that were taught end to end.",
        examples=[1],
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict,
        max_length=16,
        description="Strings of your own, which come back with the job.",
        examples=[{"order": "42"}],
    )

    @property
    def request(self) -> GenerationRequest:
        """The same in the words of generations."""
        said = {name: getattr(self, name) for name in ("model", "image", "seed", "num_inference_steps", "metadata")}
        return GenerationRequest(resize="stretch", **said)


@router.post(
    "/dense-predictions",
    status_code=202,
    response_description="The job is accepted, and has not ended yet.",
    responses={
        200: {"model": JobShown, "description": "The job ended while the client waited.", "headers": HEADERS},
        202: {"model": JobShown, "headers": HEADERS},
        **documented(
            MalformedJSON, UnsupportedMediaType, BodyTooLarge, IdempotencyConflict, UnsupportedModel, *REFUSALS
        ),
    },
)
async def create_dense_prediction(
    *,
    posted: DensePredictionPosted,
    reception: ReceptionOf,
    links: LinksOf,
    idempotency_key: IdempotencyKey = None,
) -> JobShown:
    """Accept a picture as a job whose one image is a map of it, and wait for its end if the client prefers that."""
    resources = reception.resources
    catalogue = await catalogue_for(posted.model, resources)
    if catalogue.find(posted.model).map is None:
        raise UnsupportedModel(f"{posted.model} makes no maps of pictures.", field="model")
    most_seconds = resources.settings.retention_seconds
    terms = posted.terms(resources, links.base, idempotency_key, most_seconds=most_seconds)
    return await reception.accept(posted.request, terms)
