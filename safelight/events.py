"""What happens to a job, as types: one class an event."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from safelight.answers import ENDED, Image, Job, Progress
from safelight.errors import UnexpectedAnswer
from safelight.event_stream import Message
from safelight.reading import read


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job; of this class itself where the client does not know its name.

    `id` is what `events(…, after=id)` goes on from.
    """

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Queued(Event):
    """The job waits: it was accepted, or its worker was lost."""


@dataclass(frozen=True, slots=True)
class Started(Event):
    """A worker has begun. `attempt` counts executions, from 1."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Progressed(Event):
    """The job is farther on."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Previewed(Event):
    """A small picture of what image `index` looked like at a step; `content` is its file."""

    index: int
    step: int
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ImageFinished(Event):
    """One picture is there."""

    image: Image


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """The last event: the job has succeeded, failed, or was cancelled."""

    job: Job


Kinds = Mapping[str, Callable[[Message, dict[str, Any]], Event]]
"""What happens, by the names that the service has for it."""


def event_of(message: Message, kinds: Kinds) -> Event:
    """The event that a message tells of. Raises: UnexpectedAnswer."""
    if message.name not in kinds:
        return Event(message.id, message.name)
    try:
        return kinds[message.name](message, json.loads(message.data))
    except (KeyError, ValueError) as error:
        raise UnexpectedAnswer(f"The event {message.name} is not as this client knows it: {error!r}.") from error


def _previewed(message: Message, data: dict[str, Any]) -> Previewed:
    content = base64.b64decode(data["data"])
    return Previewed(message.id, message.name, data["index"], data["step"], data["media_type"], content)


def _ended(message: Message, data: dict[str, Any]) -> Ended:
    return Ended(message.id, message.name, read(Job, data))


KINDS: Kinds = MappingProxyType(
    {
        "queued": lambda message, data: Queued(message.id, message.name),
        "started": lambda message, data: Started(message.id, message.name, data["attempt"]),
        "progress": lambda message, data: Progressed(message.id, message.name, read(Progress, data)),
        "preview": _previewed,
        "image": lambda message, data: ImageFinished(message.id, message.name, read(Image, data)),
        **dict.fromkeys(ENDED, _ended),
    }
)
