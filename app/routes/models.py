"""The models on offer, in one shape for OpenAI's clients, for Replicate's, and for ours."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.dependencies import LinksOf, ResourcesOf
from app.dialects.shared import SharedRoute
from app.error_responses import documented
from app.model_responses import ModelDetail, ModelList, ModelShown
from app.model_versions import VersionShown, find_model, published
from contract.errors import StoreUnavailable, UnknownModel

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=SharedRoute)


@router.get("", response_description="All models.")
async def list_models(resources: ResourcesOf, links: LinksOf) -> ModelList:
    """List the models on offer, with what each may be asked for."""
    return ModelList.of(resources.catalogue.models, links)


@router.get("/{model_id:path}", response_description="The model.", responses=documented(UnknownModel, StoreUnavailable))
async def read_model(
    model_id: Annotated[str, Path(description="The model's id, or its owner and name.", examples=["safelight-emoji"])],
    resources: ResourcesOf,
    links: LinksOf,
) -> ModelDetail:
    """Read what one model may be asked for, and what live workers say of it."""
    spec = find_model(resources.catalogue, model_id, field="model")
    workers = await resources.liveness.alive()
    return ModelDetail(
        **ModelShown.of(spec).model_dump(),
        **published(spec, links.base, VersionShown.of(spec)).model_dump(),
        resident_workers=sum(spec.id in worker.resident for worker in workers),
        certificates=await resources.certificates.of_model(spec.id),
    )
