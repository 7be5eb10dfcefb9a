"""The models on offer, in one shape for OpenAI's clients, for Replicate's, and for ours."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.dependencies import LinksOf, ResourcesOf
from app.dialects.shared import SharedRoute
from app.error_responses import documented
from app.model_responses import ModelDetail, ModelList, ModelShown
from app.model_versions import VersionShown, find_model, published
from app.resources import Resources
from app.taught_models import catalogue_for, taught_models
from contract.architecture import Architecture
from contract.catalogue import ModelSpec
from contract.errors import StoreUnavailable, UnknownModel, UnmeasuredModel

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=SharedRoute)


@router.get("", response_description="All models.", responses=documented(StoreUnavailable))
async def list_models(resources: ResourcesOf, links: LinksOf) -> ModelList:
    """List the models on offer, and after them your own, with what each may be asked for."""
    return ModelList.of([*resources.catalogue.models, *await taught_models(resources).rows()], links)


ModelId = Annotated[str, Path(description="The model's id, or its owner and name.", examples=["safelight-emoji"])]


@router.get(
    "/{model_id:path}/architecture",
    response_description="The model's networks.",
    responses=documented(UnknownModel, UnmeasuredModel, StoreUnavailable),
)
async def read_architecture(model_id: ModelId, resources: ResourcesOf) -> Architecture:
    """Read what a model is made of, block by block, as the last worker that loaded it has measured it."""
    spec = await _found(model_id, resources)
    architecture = await resources.architectures.of_model(spec.id)
    if architecture is None:
        raise UnmeasuredModel(
            f"No worker has had {spec.id} in memory yet; ask for a picture of it first.", field="model"
        )
    return architecture


@router.get("/{model_id:path}", response_description="The model.", responses=documented(UnknownModel, StoreUnavailable))
async def read_model(
    model_id: ModelId,
    resources: ResourcesOf,
    links: LinksOf,
) -> ModelDetail:
    """Read what one model may be asked for, and what live workers say of it."""
    spec = await _found(model_id, resources)
    workers = await resources.liveness.alive()
    return ModelDetail(
        **ModelShown.of(spec).model_dump(),
        **published(spec, links.base, VersionShown.of(spec)).model_dump(),
        resident_workers=sum(spec.id in worker.resident for worker in workers),
        certificates=await resources.certificates.of_model(spec.id),
    )


async def _found(reference: str, resources: Resources) -> ModelSpec:
    """A model of the catalogue or of the caller's own. Raises: UnknownModel."""
    catalogue = await catalogue_for(reference.rpartition("/")[2], resources)
    return find_model(catalogue, reference, field="model")
