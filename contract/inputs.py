"""References: how a request names files, and where in a request they are.

A client may name a stored file, a finished picture, or send the bytes along as a `data:` URI. What is stored with a job
names files only.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self, TypeVar, cast

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from contract.file_ids import FILE_ID, FileKind

T = TypeVar("T")

ARTIFACT_ID = re.compile(r"art_[0-9a-f]{32}_[0-9]{1,2}")
DATA_URI = re.compile(r"data:(?:image/(?:png|jpeg|webp)|application/octet-stream);base64,")
"""Clients that do not know what a file is call it octet-stream; its bytes decide in any case."""


class Reference(str):
    """Text in a request that names a file of one kind; its constructor does not judge it, a request does.

    `beginning` is what it must match from its start: the bytes of a `data:` URI are judged when they are decoded.
    """

    kind: ClassVar[FileKind]
    pattern: ClassVar[str]
    beginning: ClassVar[re.Pattern[str]]
    forms: ClassVar[str]

    __slots__ = ()

    @classmethod
    def judged(cls, text: str) -> Self:
        """The reference. Raises: PydanticCustomError."""
        if text[:8].lower().startswith(("http:", "https:")):
            raise PydanticCustomError("url_not_fetched", "URLs are not fetched; name {forms}", {"forms": cls.forms})
        if not cls.beginning.match(text):
            raise PydanticCustomError("reference_form", "This is not {forms}", {"forms": cls.forms})
        return cls(text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Strict text, then our own judgement."""
        return core_schema.no_info_after_validator_function(cls.judged, core_schema.str_schema(strict=True))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """What OpenAPI says of it."""
        return {"type": "string", "pattern": cls.pattern}


class ImageReference(Reference):
    """A picture: the id of a file or of an artifact, or a `data:` URI with a PNG, JPEG or WebP."""

    kind = "image"
    pattern = f"^({FILE_ID.pattern}|{ARTIFACT_ID.pattern}|{DATA_URI.pattern}[A-Za-z0-9+/]+=*)$"
    beginning = re.compile(rf"(?:{FILE_ID.pattern}|{ARTIFACT_ID.pattern})\Z|{DATA_URI.pattern}")
    forms = "a file (file_…), an artifact (art_…), or a data: URI with a PNG, JPEG or WebP in base64"

    __slots__ = ()


class WeightsReference(Reference):
    """Uploaded weights: the id of a file."""

    kind = "weights"
    pattern = f"^{FILE_ID.pattern}$"
    beginning = re.compile(rf"{FILE_ID.pattern}\Z")
    forms = "a file (file_…)"

    __slots__ = ()


def find_references(value: object, field: str = "") -> Iterator[tuple[str, Reference]]:
    """Every reference in a request and below it, with the dotted path of its field."""
    if isinstance(value, Reference):
        yield field, value
        return
    for name, part in _parts(value):
        yield from find_references(part, f"{field}.{name}" if field else name)


def replace_references(value: T, replacements: Mapping[str, str]) -> T:
    """The same request, with every reference replaced by what the mapping has for it."""
    if isinstance(value, Reference):
        return cast(T, type(value)(replacements[value]))
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: replace_references(part, replacements) for name, part in _parts(value)})
    if isinstance(value, tuple | list):
        return cast(T, type(value)(replace_references(part, replacements) for part in value))
    return value


def _parts(value: object) -> Iterator[tuple[str, object]]:
    match value:
        case BaseModel():
            yield from ((name, getattr(value, name)) for name in type(value).model_fields)
        case tuple() | list():
            yield from ((str(index), part) for index, part in enumerate(value))
