"""Conditional and partial reads (RFC 9110, sections 13 and 14) of something whose strong entity tag is known."""

import re
from typing import NamedTuple

from app.errors import RangeNotSatisfiable

_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE | re.ASCII)
_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


class ByteRange(NamedTuple):
    """The bytes from `start` up to `end`."""

    start: int
    end: int


def unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has this already (section 13.1.2: the weak comparison)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in _ENTITY_TAG.findall(if_none_match)


def requested_range(header: str | None, if_range: str | None, etag: str, size_bytes: int) -> ByteRange | None:
    """The one range to send, or None for all of it: no range, several ranges, no valid range, or `If-Range` says so.

    Raises: RangeNotSatisfiable.
    """
    if header is None or (if_range is not None and if_range.strip() != etag):
        return None
    match = _ONE_RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        return _checked(max(0, size_bytes - int(last)), size_bytes, size_bytes)
    if last != "" and int(last) < int(first):
        return None
    return _checked(int(first), size_bytes if last == "" else min(int(last) + 1, size_bytes), size_bytes)


def _checked(start: int, end: int, size_bytes: int) -> ByteRange:
    if start >= size_bytes:
        raise RangeNotSatisfiable(f"There are {size_bytes} bytes.", size_bytes=size_bytes)
    return ByteRange(start, end)
