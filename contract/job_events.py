"""What a job's events are, and where its channel of wishes is."""

from dataclasses import dataclass
from typing import Literal

from contract.job import ENDED

EventName = Literal[
    "queued", "started", "progress", "preview", "image", "sample", "checkpoint", "succeeded", "failed", "cancelled"
]

PREVIEW_WISHES = "safelight:preview_wishes"
"""The channel on which wishes for previews are called out."""

FIRST = "0-0"
"""The event id before all others."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened to a job. Ids ascend; `data` is a JSON object as text."""

    id: str
    name: EventName
    data: str

    @property
    def last(self) -> bool:
        """Whether no event follows this one."""
        return self.name in ENDED


ADMITTED = JobEvent(id="0-1", name="queued", data="{}")
"""The first event of every job; the server's own ids are times, and so come after it."""
