"""The models on offer, in the shape that OpenAI's clients know."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.dependencies import ResourcesOf
from app.error_responses import documented
from app.model_responses import ModelDetail, ModelList, ModelShown
from contract.errors import StoreUnavailable, UnknownModel

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", response_description="All models.")
async def list_models(resources: ResourcesOf) -> ModelList:
    """List the models on offer, with what each may be asked for."""
    return ModelList.of(resources.catalogue.models)


@router.get("/{model_id:path}", response_description="The model.", responses=documented(UnknownModel, StoreUnavailable))
async def read_model(
    model_id: Annotated[str, Path(description="The model's id.", examples=["safelight-emoji"])], resources: ResourcesOf
) -> ModelDetail:
    """Read what one model may be asked for, and what live workers say of it."""
    shown = ModelShown.of(resources.catalogue.find(model_id))
    workers = await resources.liveness.alive()
    return ModelDetail(
        **shown.model_dump(),
        resident_workers=sum(model_id in worker.resident for worker in workers),
        certificates=await resources.certificates.of_model(model_id),
    )
