"""Multipart bodies: one file in the field `file`, read up to a limit, on disk when it is large."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.body_sizes import bounded
from app.errors import MalformedMultipart, UnsupportedMediaType
from contract.errors import InvalidRequest

FIELD = "file"
FRAMING_BYTES = 64 * 1024
"""What boundaries and headers may add to a file."""

BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "additionalProperties": False,
                "properties": {
                    FIELD: {
                        "type": "string",
                        "format": "binary",
                        "description": "A PNG, JPEG or WebP, or a safetensors file; its bytes decide what it is.",
                    }
                },
            }
        }
    },
}
"""The body, as OpenAPI describes it."""


@asynccontextmanager
async def uploaded_file(request: Request, max_bytes: int) -> AsyncIterator[BinaryIO]:
    """The one file of a body. Raises: BodyTooLarge, UnsupportedMediaType, MalformedMultipart, InvalidRequest."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        raise UnsupportedMediaType("Send the file as multipart/form-data.", field="Content-Type")
    reading = bounded(request, max_bytes + FRAMING_BYTES)
    try:
        form = await reading.form(max_files=8, max_fields=8, max_part_size=1024)
    except HTTPException as error:
        raise MalformedMultipart(f"The body cannot be read as multipart/form-data: {error.detail}") from error
    try:
        yield _only_file(form).file
    finally:
        await form.close()


def _only_file(form: FormData) -> UploadFile:
    for name in form:
        if name != FIELD:
            raise InvalidRequest(f"There is no field {name[:100]!r}.", field=name)
    found = form.getlist(FIELD)
    if not found:
        raise InvalidRequest(f"{FIELD} is required.", field=FIELD)
    if len(found) > 1:
        raise InvalidRequest("Send one file at a time.", field=FIELD)
    if not isinstance(found[0], UploadFile):
        raise InvalidRequest(f"{FIELD} is text; send it as a file, with a file name.", field=FIELD)
    return found[0]
