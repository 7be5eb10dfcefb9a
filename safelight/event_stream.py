"""Server-sent events as text: from bytes, however they are cut into pieces, to messages."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
"""A carriage return at the very end may yet be followed by its line feed."""


class Message(NamedTuple):
    """One event as it came; `id` is where to go on after it."""

    id: str
    name: str
    data: str


class Decoder:
    """Puts the pieces of one stream together. `retry_seconds` is how long the server wants to be left alone.

    Lines end at line feeds and carriage returns alone: other characters that end lines elsewhere may stand in the data.
    Source: the HTML standard, section 9.2.6, "Interpreting an event stream".
    """

    def __init__(self) -> None:
        self.retry_seconds: float | None = None
        self._rest = b""
        self._id = ""
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[Message]:
        """The messages that this piece completes."""
        *lines, self._rest = _LINE_END.split(self._rest + piece)
        for line in lines:
            if line:
                self._read(line.decode(errors="replace"))
            elif self._data:
                yield Message(self._id, self._name or "message", "\n".join(self._data))
            if not line:
                self._name, self._data = "", []

    def _read(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id":
                self._id = value
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "retry" if value.isdecimal():
                self.retry_seconds = int(value) / 1000
