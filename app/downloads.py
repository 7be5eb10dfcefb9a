"""How stored bytes are served: entity tags, ranges, HEAD, and headers that make them safe to open."""

from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from app.ranges import requested_range, unchanged
from contract.artifact import IMMUTABLE
from contract.artifact_store import ArtifactStore

HEADERS: dict[str, Any] = {
    "ETag": {"description": "The sha256 of the bytes, in quotes.", "schema": {"type": "string"}},
    "Accept-Ranges": {"description": "Always `bytes`.", "schema": {"type": "string"}},
    "Cache-Control": {"description": "The bytes never change.", "schema": {"type": "string"}},
    "Content-Disposition": {"description": "A name to save it under.", "schema": {"type": "string"}},
}
RANGE_HEADERS: dict[str, Any] = HEADERS | {
    "Content-Range": {"description": "Which bytes these are.", "schema": {"type": "string"}}
}


def documented_bytes(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """What a GET says in OpenAPI of its good answers."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}
    return {
        200: {"description": "All of its bytes.", "content": content, "headers": HEADERS},
        206: {"description": "The bytes that were asked for.", "content": content, "headers": RANGE_HEADERS},
        304: {"description": "The client has it already.", "headers": HEADERS},
    }


ELSEWHERE: dict[int | str, dict[str, Any]] = {
    307: {
        "description": "The bytes are at the address in `Location`, which opens them for minutes and wants no key.",
        "headers": {"Location": {"description": "Where to read on.", "schema": {"type": "string", "format": "uri"}}},
    }
}

HEAD_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "It is there.", "headers": HEADERS},
    304: {"description": "The client has it already.", "headers": HEADERS},
}


class Stored(Protocol):
    """Something whose bytes are in the artifact store, and never change."""

    @property
    def id(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def storage_key(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a client says about the bytes that it wants."""

    method: str
    if_none_match: str | None
    range: str | None
    if_range: str | None


async def conditions(
    request: Request,
    if_none_match: Annotated[
        str | None, Header(description="Entity tags that the client has.", examples=['"9f86d081884c7d65"'])
    ] = None,
    range_: Annotated[
        str | None, Header(alias="Range", description="One range of bytes.", examples=["bytes=0-1023"])
    ] = None,
    if_range: Annotated[
        str | None, Header(description="The entity tag that the range is of.", examples=['"9f86d081884c7d65"'])
    ] = None,
) -> Conditions:
    """From the headers."""
    return Conditions(request.method, if_none_match, range_, if_range)


ConditionsOf = Annotated[Conditions, Depends(conditions)]


async def serve(
    stored: Stored, file_name: str, asked: Conditions, artifacts: ArtifactStore, *, elsewhere_seconds: int = 0
) -> Response:
    """The answer to GET or HEAD. With `elsewhere_seconds`, who would get bytes is sent to where they are, if there is
    an address that opens for so long.

    Raises: UnknownArtifact, when the bytes are gone, RangeNotSatisfiable.
    """
    etag = f'"{stored.sha256}"'
    headers = _headers(file_name, etag)
    if unchanged(asked.if_none_match, etag):
        return Response(status_code=304, headers=headers)
    if asked.method == "HEAD":
        headers["Content-Length"] = str(stored.size_bytes)
        return Response(b"", 200, headers, stored.media_type)
    if elsewhere_seconds and (address := await artifacts.address(stored.storage_key, elsewhere_seconds)):
        return Response(status_code=307, headers={"Location": address, "Cache-Control": "no-store"})
    part = requested_range(asked.range, asked.if_range, etag, stored.size_bytes)
    if part is None:
        return Response(await artifacts.get(stored.storage_key), 200, headers, stored.media_type)
    content = await artifacts.get(stored.storage_key, *part)
    headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{stored.size_bytes}"
    return Response(content, 206, headers, stored.media_type)


def _headers(file_name: str, etag: str) -> dict[str, str]:
    return {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": IMMUTABLE,
        "Content-Disposition": f'inline; filename="{file_name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
