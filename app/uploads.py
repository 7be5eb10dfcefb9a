"""Multipart bodies: one file in the field `file`, read up to a limit, on disk when it is large.

Whatever is wrong is said as soon as it is read, so that a wrong field is not waited for to its end.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from app.body_sizes import bounded
from app.errors import MalformedMultipart, UnsupportedMediaType
from contract.errors import InvalidRequest

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD = "file"
FRAMING_BYTES = 64 * 1024
"""What boundaries and headers may add to a file."""

IN_MEMORY_BYTES = 1024 * 1024
"""Larger files are on disk while they come."""

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
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type != b"multipart/form-data":
        raise UnsupportedMediaType("Send the file as multipart/form-data.", field="Content-Type")
    if not options.get(b"boundary"):
        raise MalformedMultipart("Content-Type has no boundary.", field="Content-Type")
    with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as spool:
        file = cast(BinaryIO, spool)
        await _receive(bounded(request, max_bytes + FRAMING_BYTES), options[b"boundary"], Parts(file))
        file.seek(0)
        yield file


async def _receive(request: Request, boundary: bytes, parts: "Parts") -> None:
    try:
        parser = MultipartParser(boundary, parts.callbacks)
        async for piece in request.stream():
            parser.write(piece)
    except FormParserError as error:
        raise MalformedMultipart("The body cannot be read as multipart/form-data.") from error
    if not parts.ended:
        raise MalformedMultipart("The body ends before its last boundary.")
    if not parts.num_files:
        raise InvalidRequest(f"{FIELD} is required.", field=FIELD)


class Parts:
    """The parts of a body as they come; what belongs to the file is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._name = self._value = self._disposition = b""
        self.num_files = 0
        self.ended = False

    @property
    def callbacks(self) -> "MultipartCallbacks":
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._read_name,
            "on_header_value": self._read_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._judge,
            "on_part_data": self._read,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._disposition = b""

    def _read_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _read_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _judge(self) -> None:
        """Raises: MalformedMultipart, InvalidRequest."""
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise MalformedMultipart("A part of the body has no name.")
        name = options[b"name"].decode(errors="replace")
        if name != FIELD:
            raise InvalidRequest(f"There is no field {name[:100]!r}.", field=name)
        if b"filename" not in options:
            raise InvalidRequest(f"{FIELD} is text; send it as a file, with a file name.", field=FIELD)
        self.num_files += 1
        if self.num_files > 1:
            raise InvalidRequest("Send one file at a time.", field=FIELD)

    def _read(self, data: bytes, start: int, end: int) -> None:
        self._file.write(data[start:end])

    def _end(self) -> None:
        self.ended = True
