"""What may stand where a request names a file: a name that the service knows, or something here that is sent first."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from safelight.errors import UnreadableFile


class Named(Protocol):
    """What the service has a name for: a File, an Image, or a Picture."""

    @property
    def id(self) -> str: ...


class Readable(Protocol):
    """An open binary file, or something like it."""

    def read(self) -> bytes: ...


Source = str | os.PathLike[str] | bytes | Readable | Named

_NAMES_PICTURE = re.compile(r"((control\.[0-9]+|image_prompt)\.)?image|mask")
"""Where text is a path unless it is a reference. Elsewhere text is what it says, and a path is a `Path`."""

_REFERENCE = re.compile(r"(file_[0-9a-f]{32}|art_[0-9a-f]{32}_[0-9]+)\Z|data:|https?:")


def is_path(field: str, value: object) -> bool:
    """Whether what stands in this field is text, and the path of a file here."""
    return isinstance(value, str) and bool(_NAMES_PICTURE.fullmatch(field)) and not _REFERENCE.match(value)


def content_of(field: str, source: object) -> bytes:
    """The bytes of something here. Raises: UnreadableFile."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        return _read(field, Path(source).read_bytes)
    reading = getattr(source, "read", None)
    if reading is None:
        kind = type(source).__name__
        raise UnreadableFile(f"{field} is a {kind}: neither a path, bytes, nor an open file.", field=field)
    return _read(field, reading)


def _read(field: str, reading: Callable[[], Any]) -> bytes:
    try:
        content = reading()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"{field} cannot be read: {error}.", field=field) from error
    if not isinstance(content, bytes):
        raise UnreadableFile(f"{field} is a file of text; open it with 'rb'.", field=field)
    return content
