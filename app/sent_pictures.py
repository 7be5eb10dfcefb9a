"""A picture that a call is about, as it is, metadata and all: sent as a form, named, or as a `data:` URI."""

import base64
import binascii
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from app.error_responses import as_in_a_body
from app.errors import BodyTooLarge, MalformedJSON, MalformedMultipart, UnsupportedMediaType
from app.file_kinds import blaming
from app.forms import FileField, Form
from app.json_bodies import read_json
from app.resources import Resources
from app.responses import IMAGE_ID
from app.uploads import received
from contract.errors import (
    DamagedFile,
    InvalidRequest,
    LimitExceeded,
    SafelightError,
    StoreUnavailable,
    UnknownArtifact,
    UnsupportedFile,
)
from contract.inputs import ARTIFACT_ID, DATA_URI, ImageReference

FORM = Form({"file": FileField("A PNG, JPEG or WebP, as it came.")})

REFUSALS: tuple[type[SafelightError], ...] = (
    InvalidRequest,
    MalformedJSON,
    MalformedMultipart,
    UnsupportedMediaType,
    BodyTooLarge,
    UnknownArtifact,
    UnsupportedFile,
    DamagedFile,
    LimitExceeded,
    StoreUnavailable,
)
"""What operations that take such a picture say in OpenAPI of how it may be refused."""


class PictureNamed(BaseModel):
    """A picture in a JSON body."""

    model_config = ConfigDict(extra="forbid", strict=True)

    file: ImageReference = Field(
        description="An artifact (art_…), or a `data:` URI with a PNG, JPEG or WebP. Uploaded files (file_…) have lost "
        "everything but their pixels, so there is nothing to check in them.",
        examples=[IMAGE_ID],
    )


def documented_body() -> dict[str, Any]:
    """Both forms of the body, as OpenAPI describes them."""
    body = FORM.documented
    body["content"]["application/json"] = {"schema": PictureNamed.model_json_schema()}
    return {"requestBody": body}


async def sent_picture(request: Request, resources: Resources) -> bytes:
    """The bytes of the picture. Raises: as in REFUSALS, naming the field; RequestValidationError."""
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        async with received(request, FORM, resources.settings.max_image_bytes) as body:
            return body.files["file"].read()
    try:
        named = PictureNamed.model_validate(await (await read_json(request)).json())
    except ValidationError as error:
        raise as_in_a_body(error) from error
    if ARTIFACT_ID.fullmatch(named.file):
        artifact = await resources.job_store.artifact(named.file)
        return await resources.artifacts.get(artifact.storage_key)
    if DATA_URI.match(named.file):
        with blaming("file"):
            return decoded(named.file)
    raise UnsupportedFile("Uploaded files have lost all but their pixels; send the picture itself.", field="file")


def decoded(data_uri: str) -> bytes:
    """The bytes in a `data:` URI. Raises: InvalidRequest."""
    try:
        return base64.b64decode(data_uri.partition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("The data: URI is not base64.") from error
