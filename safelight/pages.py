"""Lists: short ones at once, long ones page by page."""

from collections.abc import AsyncGenerator
from typing import TypeVar

from safelight.reading import read
from safelight.sending import Sender

T = TypeVar("T")


async def listed(sender: Sender, path: str, kind: type[T]) -> list[T]:
    """All items of a list that comes at once."""
    return [read(kind, item) for item in (await sender.json("GET", path))["data"]]


async def each(sender: Sender, path: str, kind: type[T], query: dict[str, int | str]) -> AsyncGenerator[T]:
    """The items of all pages, each page read when its first item is asked for."""
    cursor: str | None = ""
    while cursor is not None:
        page = await sender.json("GET", path, params=query | ({"cursor": cursor} if cursor else {}))
        for item in page["data"]:
            yield read(kind, item)
        cursor = page["next_cursor"]
