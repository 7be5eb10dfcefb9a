"""The bytes of finished pictures."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path
from starlette.requests import Request
from starlette.responses import Response

from app.dependencies import ResourcesOf
from app.error_responses import documented
from app.errors import RangeNotSatisfiable
from app.ranges import requested_range, unchanged
from app.responses import IMAGE_ID
from contract.artifact import Artifact, job_id_of
from contract.errors import StoreUnavailable, UnknownArtifact, UnknownJob

router = APIRouter(prefix="/v1/artifacts", tags=["artifacts"])

IMMUTABLE = "private, max-age=31536000, immutable"

_BYTES: dict[str, Any] = {
    media_type: {"schema": {"type": "string", "format": "binary"}}
    for media_type in ("image/png", "image/jpeg", "image/webp")
}
_HEADERS: dict[str, Any] = {
    "ETag": {"description": "The sha256 of the bytes, in quotes.", "schema": {"type": "string"}},
    "Accept-Ranges": {"description": "Always `bytes`.", "schema": {"type": "string"}},
    "Cache-Control": {"description": "The bytes never change.", "schema": {"type": "string"}},
    "Content-Disposition": {"description": "A name to save it under.", "schema": {"type": "string"}},
}
_RANGE: dict[str, Any] = {"Content-Range": {"description": "Which bytes these are.", "schema": {"type": "string"}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole picture.", "content": _BYTES, "headers": _HEADERS},
    206: {"description": "The bytes that were asked for.", "content": _BYTES, "headers": _HEADERS | _RANGE},
    304: {"description": "The client has it already.", "headers": _HEADERS},
    **documented(UnknownArtifact, RangeNotSatisfiable, StoreUnavailable),
}
_HEAD_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture is there.", "headers": _HEADERS},
    304: {"description": "The client has it already.", "headers": _HEADERS},
    **documented(UnknownArtifact, StoreUnavailable),
}


async def existing_artifact(
    artifact_id: Annotated[str, Path(description="The image's id.", examples=[IMAGE_ID])], resources: ResourcesOf
) -> Artifact:
    """The published artifact that the path names. Raises: UnknownArtifact."""
    try:
        job = await resources.job_store.get(job_id_of(artifact_id))
    except UnknownJob:
        job = None
    for artifact in job.images if job else ():
        if artifact.id == artifact_id:
            return artifact
    raise UnknownArtifact(f"There is no artifact {artifact_id!r}.")


ExistingArtifact = Annotated[Artifact, Depends(existing_artifact)]


@router.head(
    "/{artifact_id}", response_class=Response, responses=_HEAD_RESPONSES, summary="Read the headers of a picture"
)
@router.get("/{artifact_id}", response_class=Response, responses=_RESPONSES)
async def read_artifact(
    *,
    artifact: ExistingArtifact,
    request: Request,
    resources: ResourcesOf,
    if_none_match: Annotated[
        str | None, Header(description="Entity tags that the client has.", examples=['"9f86d0…"'])
    ] = None,
    range_: Annotated[
        str | None, Header(alias="Range", description="One range of bytes.", examples=["bytes=0-1023"])
    ] = None,
    if_range: Annotated[
        str | None, Header(description="The entity tag that the range is of.", examples=['"9f86d0…"'])
    ] = None,
) -> Response:
    """Read a picture, or a range of its bytes."""
    etag = f'"{artifact.sha256}"'
    headers = _headers(artifact, etag)
    if unchanged(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return _answer(b"", artifact, headers | {"Content-Length": str(artifact.size_bytes)})
    part = requested_range(range_, if_range, etag, artifact.size_bytes)
    if part is None:
        return _answer(await resources.artifacts.get(artifact.storage_key), artifact, headers)
    content = await resources.artifacts.get(artifact.storage_key, *part)
    headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{artifact.size_bytes}"
    return _answer(content, artifact, headers, 206)


def _headers(artifact: Artifact, etag: str) -> dict[str, str]:
    extension = artifact.media_type.partition("/")[2]
    return {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": IMMUTABLE,
        "Content-Disposition": f'inline; filename="{artifact.id}.{extension}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


def _answer(content: bytes, artifact: Artifact, headers: dict[str, str], status: int = 200) -> Response:
    return Response(content, status, headers, media_type=artifact.media_type)
