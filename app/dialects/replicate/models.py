"""The versions of models; the models themselves are under `/v1/models`, where all dialects meet."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from app.dependencies import ResourcesOf
from app.dialects.replicate.route import ReplicateRoute
from app.model_versions import VERSION_ID, VersionShown, find_model
from contract.errors import UnknownModel

router = APIRouter(prefix="/v1/models/{owner}/{name:name}/versions", tags=["replicate"], route_class=ReplicateRoute)

Owner = Annotated[str, Path(description="The part before the slash in the model's name.", examples=["safelight"])]
ModelName = Annotated[str, Path(description="The part behind the slash.", examples=["safelight-emoji"])]


class VersionPage(BaseModel):
    """The versions of a model, of which there is one."""

    results: list[VersionShown] = Field(description="The version.", examples=[[]])
    next: None = Field(default=None, description="Always null.", examples=[None])
    previous: None = Field(default=None, description="Always null.", examples=[None])


async def only_version(owner: Owner, name: ModelName, resources: ResourcesOf) -> VersionShown:
    """The version of the model that the path names. Raises: UnknownModel."""
    return VersionShown.of(find_model(resources.catalogue, f"{owner}/{name}", field="name"))


OnlyVersion = Annotated[VersionShown, Depends(only_version)]


@router.get("", response_description="All versions.", responses=ReplicateRoute.documented(UnknownModel))
async def list_versions(version: OnlyVersion) -> VersionPage:
    """List the versions of a model."""
    return VersionPage(results=[version])


@router.get("/{version_id}", response_description="The version.", responses=ReplicateRoute.documented(UnknownModel))
async def read_version(
    version: OnlyVersion,
    version_id: Annotated[str, Path(description="The version's id.", examples=[VERSION_ID])],
) -> VersionShown:
    """Read what a version of a model takes and gives."""
    if version_id != version.id:
        raise UnknownModel(f"The model has one version, {version.id}, and no other.", field="version_id")
    return version
