"""Server-sent events as text: from lines to messages."""

from typing import NamedTuple


class Message(NamedTuple):
    """One event as it came; `id` is where to go on after it."""

    id: str
    name: str
    data: str


class Decoder:
    """Puts the lines of one stream together. `retry_seconds` is how long the server wants to be left alone.

    Source: the HTML standard, section 9.2.6, "Interpreting an event stream".
    """

    def __init__(self) -> None:
        self.retry_seconds: float | None = None
        self._id = ""
        self._name = ""
        self._data: list[str] = []

    def feed(self, line: str) -> Message | None:
        """The message that this line completes, if it does."""
        if not line:
            return self._dispatch()
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
        return None

    def _dispatch(self) -> Message | None:
        message = Message(self._id, self._name or "message", "\n".join(self._data)) if self._data else None
        self._name, self._data = "", []
        return message
