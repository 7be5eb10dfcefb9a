"""Files: sent, read, listed, removed."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from app.dependencies import LinksOf, ResourcesOf
from app.dialects.shared import SharedRoute
from app.downloads import HEAD_ANSWERS, ConditionsOf, documented_bytes, serve
from app.error_responses import documented
from app.errors import BodyTooLarge, MalformedMultipart, RangeNotSatisfiable, UnsupportedMediaType
from app.file_responses import FILE_ID, FilePage, FileShown, name_of
from app.forms import FileField, Form
from app.paging import PageAsked
from app.uploads import received
from contract.errors import (
    ArtifactStoreUnavailable,
    DamagedFile,
    FileInUse,
    InvalidRequest,
    LimitExceeded,
    StoreUnavailable,
    UnknownArtifact,
    UnknownFile,
    UnsupportedFile,
)
from contract.files import StoredFile

router = APIRouter(prefix="/v1/files", tags=["files"], route_class=SharedRoute)

CREATED: dict[int | str, dict[str, Any]] = {
    201: {
        "headers": {
            "Location": {
                "description": "Where the file is.",
                "schema": {"type": "string"},
                "example": f"/v1/files/{FILE_ID}",
            }
        }
    }
}

FORM = Form(
    {"file": FileField("A PNG, JPEG or WebP, or a safetensors file; its bytes decide what it is.", alias="content")}
)

FileId = Annotated[str, Path(description="The file's id.", examples=[FILE_ID])]


async def existing_file(file_id: FileId, resources: ResourcesOf) -> StoredFile:
    """The file that the path names. Raises: UnknownFile."""
    return await resources.files.get(file_id)


ExistingFile = Annotated[StoredFile, Depends(existing_file)]


@router.post(
    "",
    status_code=201,
    response_description="The file is kept.",
    openapi_extra={"requestBody": FORM.documented},
    responses=CREATED
    | documented(
        InvalidRequest,
        MalformedMultipart,
        UnsupportedMediaType,
        BodyTooLarge,
        UnsupportedFile,
        DamagedFile,
        LimitExceeded,
        StoreUnavailable,
        ArtifactStoreUnavailable,
    ),
)
async def create_file(request: Request, response: Response, resources: ResourcesOf, links: LinksOf) -> FileShown:
    """Send a picture or weights. Pictures are turned upright and lose everything but their pixels and their alpha."""
    settings = resources.settings
    async with received(request, FORM, max(settings.max_image_bytes, settings.max_weights_bytes)) as body:
        content = await resources.file_checker.check(body.files["file"].read, field="file")
    file = await resources.files.add(content, ttl_seconds=settings.file_ttl_seconds)
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/v1/files/{file.id}"
    return FileShown.of(file, links)


@router.get("", response_description="One page of files.", responses=documented(InvalidRequest, StoreUnavailable))
async def list_files(asked: Annotated[PageAsked, Query()], resources: ResourcesOf, links: LinksOf) -> FilePage:
    """List files, newest first; files that are sent meanwhile do not shift the pages."""
    return FilePage.of(*await resources.files.page(limit=asked.limit, cursor=asked.after), links)


@router.get("/{file_id}", response_description="The file.", responses=documented(UnknownFile, StoreUnavailable))
async def read_file(file: ExistingFile, links: LinksOf) -> FileShown:
    """Read what a file is."""
    return FileShown.of(file, links)


@router.head(
    "/{file_id}/content",
    response_class=Response,
    responses=HEAD_ANSWERS | documented(UnknownFile, StoreUnavailable, ArtifactStoreUnavailable),
    summary="Read the headers of a file's bytes",
)
@router.get(
    "/{file_id}/content",
    response_class=Response,
    responses=documented_bytes("image/png", "application/octet-stream")
    | documented(UnknownFile, RangeNotSatisfiable, StoreUnavailable, ArtifactStoreUnavailable),
)
async def read_file_content(file: ExistingFile, asked: ConditionsOf, resources: ResourcesOf) -> Response:
    """Read a file's bytes as they are kept, or a range of them."""
    try:
        return await serve(file, name_of(file), asked, resources.artifacts)
    except UnknownArtifact as error:
        raise UnknownFile("The bytes of this file are gone.") from error


@router.delete(
    "/{file_id}",
    status_code=204,
    response_description="The file is gone.",
    responses=documented(UnknownFile, FileInUse, StoreUnavailable, ArtifactStoreUnavailable),
)
async def delete_file(file_id: FileId, resources: ResourcesOf) -> None:
    """Remove a file that no job needs any more."""
    await resources.files.remove(file_id)
