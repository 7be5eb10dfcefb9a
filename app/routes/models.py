"""The models on offer, in the shape that OpenAI's clients know."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.dependencies import ResourcesOf
from app.error_responses import documented
from app.responses import ModelList, ModelShown
from contract.errors import UnknownModel

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", response_description="All models.")
async def list_models(resources: ResourcesOf) -> ModelList:
    """List the models on offer, with what each may be asked for."""
    return ModelList.of(resources.catalogue.models)


@router.get("/{model_id:path}", response_description="The model.", responses=documented(UnknownModel))
async def read_model(
    model_id: Annotated[str, Path(description="The model's id.", examples=["safelight-emoji"])], resources: ResourcesOf
) -> ModelShown:
    """Read what one model may be asked for."""
    return ModelShown.of(resources.catalogue.find(model_id))
