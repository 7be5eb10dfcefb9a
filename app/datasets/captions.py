"""Captions that come beside pictures: a text of the same name, or lines of JSON that name them."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from app.datasets.problems import Problems
from app.errors import MalformedJSON
from app.json_bodies import parse_json
from contract.datasets import MAX_CAPTION_LENGTH
from contract.errors import DamagedFile, LimitExceeded, SafelightError

MAX_LINES = 4000
MAX_TEXT_BYTES = 4 * MAX_CAPTION_LENGTH * MAX_LINES


class Sent(Protocol):
    """A file that was sent."""

    @property
    def name(self) -> str: ...
    @property
    def num_bytes(self) -> int: ...
    def read(self) -> bytes: ...


class Line(BaseModel):
    """One line of a file of many captions."""

    model_config = ConfigDict(extra="forbid", strict=True)

    file_name: str
    text: str


def is_caption(name: str) -> bool:
    """Whether a file of this name is one caption."""
    return name.lower().endswith(".txt")


def is_captions(name: str) -> bool:
    """Whether a file of this name has many."""
    return name.lower().endswith(".jsonl")


def stem_of(name: str) -> str:
    """A name less what stands behind its last dot, with its folders."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.rpartition('.')[0] or last}"


class Captions:
    """Captions by what they name; each that no picture has asked for is an orphan in the end."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._by_stem: dict[str, tuple[str, str]] = {}
        self._by_name: dict[str, tuple[str, str]] = {}
        self._used: set[str] = set()

    def read(self, files: Sequence[Sent]) -> None:
        """Reads all texts among the files; one that cannot be read is a problem."""
        for file in files:
            try:
                if is_caption(file.name):
                    self._keep(self._by_stem, stem_of(file.name), file.name, _text(file.read()))
                elif is_captions(file.name):
                    self._read_lines(file.name, _text(file.read()))
            except SafelightError as error:
                self._problems.refuse(file.name, error)

    def of(self, name: str) -> str | None:
        """The caption of the picture of this name: that of its own file, before one of a line that names it."""
        found = [one for one in (self._by_stem.get(stem_of(name)), self._by_name.get(name)) if one]
        for place, _ in found[1:]:
            self._problems.add(place, "duplicate", f"{name} has a caption of its own file.")
        self._used.update(place for place, _ in found)
        return found[0][1] if found else None

    def report_orphans(self) -> None:
        """Notes each caption that belongs to no picture."""
        for place, _ in (*self._by_stem.values(), *self._by_name.values()):
            if place not in self._used:
                self._problems.add(place, "orphaned_caption", "There is no picture that belongs to this caption.")

    def _read_lines(self, file_name: str, text: str) -> None:
        lines = text.rstrip().split("\n")
        if len(lines) > MAX_LINES:
            raise LimitExceeded(f"The file has {len(lines)} lines, and {MAX_LINES} are allowed.")
        folder = file_name[: file_name.rfind("/") + 1]
        for number, text_of in enumerate(lines, 1):
            if text_of.strip():
                self._read_line(f"{file_name}:{number}", folder, text_of)

    def _read_line(self, place: str, folder: str, text: str) -> None:
        try:
            line = Line.model_validate(parse_json(text.encode()))
        except (MalformedJSON, ValidationError):
            self._problems.add(place, "malformed_caption", 'A line is {"file_name": "…", "text": "…"}, and no more.')
            return
        self._keep(self._by_name, f"{folder}{line.file_name}", place, line.text)

    def _keep(self, captions: dict[str, tuple[str, str]], name: str, place: str, text: str) -> None:
        """The first of several stays."""
        if name in captions:
            self._problems.add(place, "duplicate", f"There is a caption of {name} already.")
        else:
            captions[name] = place, text.strip()


def _text(content: bytes) -> str:
    """Raises: DamagedFile, LimitExceeded."""
    if len(content) > MAX_TEXT_BYTES:
        raise LimitExceeded(f"The text has {len(content)} bytes, and {MAX_TEXT_BYTES} are allowed.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedFile("The text is not UTF-8.") from error
    if "\0" in text:
        raise DamagedFile("The text has a NUL.")
    return text
