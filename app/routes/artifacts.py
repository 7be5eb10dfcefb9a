"""The bytes of finished pictures, and of what their runs have recorded."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from app.dependencies import ResourcesOf
from app.downloads import ELSEWHERE, HEAD_ANSWERS, ConditionsOf, documented_bytes, serve
from app.error_responses import documented
from app.errors import RangeNotSatisfiable
from app.responses import IMAGE_ID
from contract.artifact import MEDIA_TYPES, Artifact
from contract.errors import ArtifactStoreUnavailable, StoreUnavailable, UnknownArtifact
from contract.traces import ENDINGS, TraceFile

router = APIRouter(prefix="/v1/artifacts", tags=["artifacts"])


async def existing_artifact(
    artifact_id: Annotated[str, Path(description="The image's id.", examples=[IMAGE_ID])], resources: ResourcesOf
) -> Artifact | TraceFile:
    """The published artifact that the path names. Raises: UnknownArtifact."""
    return await resources.job_store.artifact(artifact_id)


ExistingArtifact = Annotated[Artifact | TraceFile, Depends(existing_artifact)]


@router.head(
    "/{artifact_id}",
    response_class=Response,
    responses=HEAD_ANSWERS | documented(UnknownArtifact, StoreUnavailable, ArtifactStoreUnavailable),
    summary="Read the headers of a picture",
)
@router.get(
    "/{artifact_id}",
    response_class=Response,
    responses=documented_bytes(*{**dict.fromkeys(MEDIA_TYPES.values()), **dict.fromkeys(ENDINGS)})
    | ELSEWHERE
    | documented(UnknownArtifact, RangeNotSatisfiable, StoreUnavailable, ArtifactStoreUnavailable),
)
async def read_artifact(artifact: ExistingArtifact, asked: ConditionsOf, resources: ResourcesOf) -> Response:
    """Read a picture or a file of a trace, or a range of its bytes."""
    seconds = resources.settings.presigned_seconds
    return await serve(artifact, artifact.file_name, asked, resources.artifacts, elsewhere_seconds=seconds)
