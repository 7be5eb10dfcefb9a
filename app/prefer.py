"""What a client prefers: `wait` of the `Prefer` header (RFC 7240), `no-store` of `Cache-Control` (RFC 9111)."""

import re
from collections.abc import Iterable

from contract.errors import InvalidRequest

MAX_WAIT_SECONDS = 60

_PREFERENCE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')


def preferred_wait(headers: Iterable[str], *, bare_seconds: int | None = None) -> int | None:
    """The seconds of the first `wait` preference in all `Prefer` headers; other preferences are passed over.

    `bare_seconds` is what a `wait` without a number means; without it, such a `wait` is refused.
    Raises: InvalidRequest.
    """
    preferences = (match.group() for header in headers for match in _PREFERENCE.finditer(header))
    for preference in preferences:
        name, equals, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            return bare_seconds if bare_seconds is not None and not equals else _seconds(value.strip().strip('"'))
    return None


def forbids_storing(headers: Iterable[str]) -> bool:
    """Whether `no-store` is among the directives of all `Cache-Control` headers."""
    return any(directive.strip().lower() == "no-store" for header in headers for directive in header.split(","))


def _seconds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > MAX_WAIT_SECONDS:
        raise InvalidRequest(f"Prefer: wait takes whole seconds from 0 to {MAX_WAIT_SECONDS}.", field="Prefer")
    return int(text)
