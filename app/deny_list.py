"""Prompts that this deployment refuses: the operator's words and patterns, and how a prompt is held against them."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from contract.errors import PromptRefused
from contract.interventions import SwapPrompt
from contract.prompt_syntax import PromptSyntax, parse
from contract.request import GenerationRequest
from contract.settings import SettingError

FIELDS = ("prompt", "negative_prompt")
"""What is looked at, wherever it stands: guided below 1, a picture shows what its negative prompt says."""


class DenyList:
    """What no prompt may say."""

    def __init__(self, patterns: Sequence[re.Pattern[str]] = ()) -> None:
        self._patterns = tuple(patterns)

    @classmethod
    def read(cls, file: Path | None) -> "DenyList":
        """The list in a file, one entry a line: words, or a regular expression between slashes; `#` begins a comment.

        Raises: SettingError.
        """
        if file is None:
            return cls()
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{file}, the list of refused prompts, cannot be read: {error}") from error
        try:
            return cls([_pattern(entry) for line in lines if (entry := line.strip()) and not entry.startswith("#")])
        except (re.error, ValueError) as error:
            raise SettingError(f"{file}, the list of refused prompts, has an entry that is none: {error}") from error

    def check(self, request: GenerationRequest) -> None:
        """Refuses a request whose prompts say what they may not. Raises: PromptRefused, naming the field alone."""
        for field, said in _said(request) if self._patterns else ():
            self.check_text(field, said, request.prompt_syntax)

    def check_text(self, field: str, said: str, syntax: PromptSyntax = "plain") -> None:
        """Refuses a text that says what it may not. Raises: PromptRefused, naming the field alone."""
        readings = list(_readings(said, syntax, field)) if self._patterns else []
        if any(pattern.search(text) for text in readings for pattern in self._patterns):
            raise PromptRefused(f"{field} asks for what this service does not make.", field=field)


def plain(text: str) -> str:
    """A text as it is compared: case, accents, width and invisible characters do not tell texts apart."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    seen = "".join(character for character in apart if unicodedata.category(character) not in ("Mn", "Me", "Cf"))
    return " ".join(unicodedata.normalize("NFKC", seen).split())


def _said(request: GenerationRequest) -> Iterable[tuple[str, str]]:
    """Every prompt of a request, by the name of its field."""
    yield from ((field, getattr(request, field)) for field in FIELDS)
    for index, one in enumerate(request.intervene):
        if isinstance(one, SwapPrompt):
            yield from ((f"intervene.{index}.{field}", getattr(one, field) or "") for field in FIELDS)


def _readings(text: str, syntax: PromptSyntax, field: str) -> Iterable[str]:
    """A prompt as it stands, and as it is read where brackets are no text."""
    yield plain(text)
    if syntax == "weighted":
        yield plain(" ".join("".join(run.text for run in segment) for segment in parse(text, field=field)))


def _pattern(entry: str) -> re.Pattern[str]:
    if len(entry) > 2 and entry.startswith("/") and entry.endswith("/"):
        return re.compile(entry[1:-1])
    if not (words := plain(entry)):
        raise ValueError("nothing is left of it that could be compared")
    return re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")
