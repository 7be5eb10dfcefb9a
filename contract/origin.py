"""Which call a job comes from: the ids by which its request and its trace are found."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """The id of a request, and the `traceparent` (W3C Trace Context) of its span, where there is one."""

    request_id: str | None = None
    traceparent: str | None = None

    @property
    def record(self) -> dict[str, str]:
        """What a job's record says of it."""
        said = {"request_id": self.request_id, "traceparent": self.traceparent}
        return {name: value for name, value in said.items() if value}

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> "Origin":
        """What a job's record says."""
        return cls(fields.get("request_id"), fields.get("traceparent"))


UNKNOWN = Origin()
"""Nobody's: a job of an older version, or one that came by no call."""
