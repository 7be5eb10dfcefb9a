"""The JSON body of a request: what stands in it for files that are here is sent first, and named after that."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from safelight.answers import File, Image
from safelight.pictures import Picture
from safelight.sources import is_path

Upload = Callable[[str, object], Awaitable[File]]
"""Sends what stands in a field."""


async def body_of(fields: Mapping[str, object], upload: Upload) -> dict[str, Any]:
    """The body. Raises: what `upload` raises."""
    return {name: await _part(name, value, upload) for name, value in fields.items()}


async def _part(field: str, value: object, upload: Upload) -> object:
    match value:
        case File() | Image() | Picture():
            return value.id
        case datetime():
            return value.isoformat()
        case None | bool() | int() | float() | str() if not is_path(field, value):
            return value
        case Mapping():
            return {name: await _part(f"{field}.{name}", part, upload) for name, part in value.items()}
        case list() | tuple():
            return [await _part(f"{field}.{index}", part, upload) for index, part in enumerate(value)]
    return (await upload(field, value)).id
