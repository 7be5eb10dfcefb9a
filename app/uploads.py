"""Multipart bodies as they come: read up to limits, files on disk when they are large.

Whatever is wrong is said as soon as it is read, so that a wrong field is not waited for to its end.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from app.body_sizes import bounded
from app.errors import BodyTooLarge, MalformedMultipart, UnsupportedMediaType
from app.forms import Form, Received, SentFile
from contract.errors import InvalidRequest, LimitExceeded

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FRAMING_BYTES = 64 * 1024
"""What boundaries and headers may add to the fields."""

PART_BYTES = 1024
"""What they may add for each further file where there may be several."""

TEXT_BYTES = 64 * 1024
"""The most bytes of all texts of a body."""

IN_MEMORY_BYTES = 1024 * 1024
"""Larger files are on disk while they come."""


@asynccontextmanager
async def received(request: Request, form: Form, max_file_bytes: int) -> AsyncIterator[Received]:
    """The fields of a body, read up to what so large files and their framing take; several of a field count as one.

    Raises: BodyTooLarge, UnsupportedMediaType, MalformedMultipart, InvalidRequest.
    """
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type != b"multipart/form-data":
        raise UnsupportedMediaType("Send the body as multipart/form-data.", field="Content-Type")
    if not options.get(b"boundary"):
        raise MalformedMultipart("Content-Type has no boundary.", field="Content-Type")
    num_files = 1 if form.one_of else len(form.files)
    framing = FRAMING_BYTES + PART_BYTES * sum(field.most - 1 for field in form.files.values())
    max_bytes = num_files * max_file_bytes + framing + (TEXT_BYTES if form.texts else 0)
    with ExitStack() as opened:
        parts = Parts(form, opened)
        await _receive(bounded(request, max_bytes), options[b"boundary"], parts)
        yield parts.received()


async def _receive(request: Request, boundary: bytes, parts: "Parts") -> None:
    try:
        parser = MultipartParser(boundary, parts.callbacks)
        async for piece in request.stream():
            parser.write(piece)
    except FormParserError as error:
        raise MalformedMultipart("The body cannot be read as multipart/form-data.") from error
    if not parts.ended:
        raise MalformedMultipart("The body ends before its last boundary.")


class Parts:
    """The parts of a body as they come, each written to where it belongs; files are open as long as `opened` is."""

    def __init__(self, form: Form, opened: ExitStack) -> None:
        self._form = form
        self._opened = opened
        self._name = self._value = self._disposition = b""
        self._write: Callable[[bytes], object] = _drop
        self._files: dict[str, BinaryIO] = {}
        self._starts: dict[str, list[tuple[str, int]]] = {}
        self._texts: dict[str, BytesIO] = {}
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

    def received(self) -> Received:
        """Everything that has come. Raises: InvalidRequest, MalformedMultipart."""
        for name, field in self._form.files.items():
            if field.required and name not in self._files:
                raise InvalidRequest(f"{name} is required.", field=name)
        if self._form.one_of and len(self._files) != 1:
            raise InvalidRequest(f"Send one of {', '.join(self._form.files)}.", field=next(iter(self._form.files)))
        several = {name: _parted(self._files[name], starts) for name, starts in self._starts.items()}
        for file in self._files.values():
            file.seek(0)
        texts = {name: _decoded(name, text.getvalue()) for name, text in self._texts.items()}
        return Received(self._files, texts, several)

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
        if (file := self._form.file(name)) is not None:
            self._begin_file(file, options.get(b"filename"))
        elif self._form.has_text(name):
            self._begin_text(name, b"filename" in options)
        else:
            raise InvalidRequest(f"There is no field {name[:100]!r}.", field=name)

    def _begin_file(self, name: str, file_name: bytes | None) -> None:
        if file_name is None:
            raise InvalidRequest(f"{name} is text; send it as a file, with a file name.", field=name)
        most = self._form.files[name].most
        if name not in self._files:
            self._files[name] = cast(BinaryIO, self._opened.enter_context(_spool()))
        elif most == 1:
            raise InvalidRequest(f"{name} is one file, and several were sent.", field=name)
        self._write = self._files[name].write
        if most > 1:
            starts = self._starts.setdefault(name, [])
            if len(starts) == most:
                raise LimitExceeded(f"{name} may be at most {most} files.", field=name)
            starts.append((file_name.decode(errors="replace"), self._files[name].tell()))

    def _begin_text(self, name: str, is_file: bool) -> None:
        if is_file:
            raise InvalidRequest(f"{name} is a file; send it as text, without a file name.", field=name)
        if name in self._texts:
            raise InvalidRequest(f"{name} is said twice.", field=name)
        self._texts[name] = BytesIO()
        self._write = self._texts[name].write

    def _read(self, data: bytes, start: int, end: int) -> None:
        self._write(data[start:end])
        if sum(text.tell() for text in self._texts.values()) > TEXT_BYTES:
            raise BodyTooLarge(f"The texts of a body may have at most {TEXT_BYTES} bytes.")

    def _end(self) -> None:
        self.ended = True


def _spool() -> SpooledTemporaryFile[bytes]:
    return SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)


def _parted(file: BinaryIO, starts: Sequence[tuple[str, int]]) -> list[SentFile]:
    """The files that lie one behind the other in this one, which has been written to its end."""
    ends = [*(start for _, start in starts[1:]), file.tell()]
    return [SentFile(name, file, start, end) for (name, start), end in zip(starts, ends, strict=True)]


def _drop(data: bytes) -> None:
    """Where bytes go before the first part."""


def _decoded(name: str, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise MalformedMultipart(f"{name} is not UTF-8.", field=name) from error
    if "\0" in text:
        raise MalformedMultipart(f"{name} has a NUL.", field=name)
    return text
