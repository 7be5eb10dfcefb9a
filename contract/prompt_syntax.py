"""What brackets mean in a prompt whose request asks for weights: AUTOMATIC1111's attention syntax, and its limits."""

import re
from decimal import Decimal
from typing import Literal, NamedTuple

from contract.errors import MalformedPrompt

PromptSyntax = Literal["plain", "weighted"]
"""`plain`: brackets are brackets; `weighted`: they say how much a word counts."""

MAX_WEIGHT = 10.0
MAX_DEPTH = 64
"""Brackets that may be open at once."""

MAX_SEGMENTS = 8
"""Parts of one prompt, and so chunks that a text encoder reads of it."""

FACTORS = {"(": 1.1, "[": 1 / 1.1}
OPENED_BY = {")": "(", "]": "["}


class Run(NamedTuple):
    """Text whose words have one weight, 1 where nothing was said."""

    text: str
    weight: float


Segment = tuple[Run, ...]
"""What stands between two `BREAK`s."""

_TOKEN = re.compile(
    r"""
    \\ (?P<literal> .?)
  | (?P<opening> [(\[])
  | : \s* (?P<weight> [+-]? (?: [0-9.]+ (?: [eE] [+-]? [0-9]+)? | (?i: nan | inf | infinity))) \s* (?P<weighs> [)\]])
  | (?P<closing> [)\]])
  | (?P<division> \s* \b BREAK \b \s*)
  | (?P<foreign> \b AND \b | < (?: lora | lyco | hypernet) :)
  | (?P<bar> \|)
  | (?P<text> (?: (?! \b BREAK \b | \b AND \b) [^\s\\()\[\]:|<])+ | \s+ | .)
    """,
    re.VERBOSE | re.DOTALL,
)
_MARKS = re.compile(r"[\\()\[\]:|]|\b(?:BREAK|AND)\b")


def parse(prompt: str, *, field: str = "prompt") -> tuple[Segment, ...]:
    """The runs of a prompt, in segments; `field` names it in errors.

    Raises: MalformedPrompt, for a weight that is no number from 0 to 10, for too much of anything, and for what else
            AUTOMATIC1111 reads in a prompt: `[from:to:when]`, `[one|another]`, `AND`, `<lora:name:weight>`.
    Source: must read as `parse_prompt_attention` of AUTOMATIC1111/stable-diffusion-webui, modules/prompt_parser.py, but
            for two things: a backslash makes any character itself, and `BREAK` divides within brackets too.
    """
    pieces = _Pieces()
    for token in _TOKEN.finditer(prompt):
        try:
            _take(pieces, token)
        except ValueError as error:
            raise MalformedPrompt(f"{field}, character {token.start() + 1}: {error}", field=field) from error
    pieces.close_all()
    return _checked(pieces.segments(), field)


def render(segments: tuple[Segment, ...]) -> str:
    """A prompt that is parsed to these segments."""
    several = len(segments) > 1
    return " BREAK ".join(_guarded(_segment(segment)) if several else _segment(segment) for segment in segments)


class _Pieces:
    """Texts in order, a None for each `BREAK`, their weights, and the brackets that nothing has closed yet."""

    def __init__(self) -> None:
        self._texts: list[str | None] = []
        self._weights: list[float] = []
        self._open: list[tuple[str, int]] = []

    @property
    def innermost(self) -> str:
        """The bracket that was opened last, if one is open."""
        return self._open[-1][0] if self._open else ""

    def add(self, text: str | None) -> None:
        """The next text, or a `BREAK`."""
        self._texts.append(text)
        self._weights.append(1.0)

    def open(self, bracket: str) -> None:
        """Remembers where a bracket was opened. Raises: ValueError."""
        if len(self._open) == MAX_DEPTH:
            raise ValueError(f"brackets nest at most {MAX_DEPTH} deep.")
        self._open.append((bracket, len(self._texts)))

    def is_open(self, bracket: str) -> bool:
        """Whether there is something to close."""
        return any(kind == bracket for kind, _ in self._open)

    def close(self, bracket: str, factor: float) -> None:
        """Multiplies what has come since the last bracket of this kind was opened."""
        index = max(index for index, (kind, _) in enumerate(self._open) if kind == bracket)
        _, start = self._open.pop(index)
        for position in range(start, len(self._weights)):
            self._weights[position] *= factor

    def close_all(self) -> None:
        """Brackets without an end reach to the end of the prompt: first the round ones, then the square ones."""
        for bracket, factor in FACTORS.items():
            while self.is_open(bracket):
                self.close(bracket, factor)

    def segments(self) -> tuple[Segment, ...]:
        """Neighbours of one weight as one run; a `BREAK` that nothing follows divides nothing."""
        segments: list[list[Run]] = [[]]
        for text, weight in zip(self._texts, self._weights, strict=True):
            if text is None:
                segments.append([])
            elif text:
                _append(segments[-1], Run(text, weight))
        while len(segments) > 1 and not segments[-1]:
            segments.pop()
        return tuple(tuple(segment) for segment in segments)


def _append(segment: list[Run], run: Run) -> None:
    if segment and segment[-1].weight == run.weight:
        run = Run(segment.pop().text + run.text, run.weight)
    segment.append(run)


def _take(pieces: _Pieces, token: re.Match[str]) -> None:
    """One token of a prompt. Raises: ValueError."""
    match token.lastgroup:
        case "opening":
            pieces.open(token["opening"])
        case "weighs":
            _weigh(pieces, token)
        case "closing" if pieces.is_open(OPENED_BY[token["closing"]]):
            bracket = OPENED_BY[token["closing"]]
            pieces.close(bracket, FACTORS[bracket])
        case "division":
            pieces.add(None)
        case "foreign":
            raise ValueError(f"{token['foreign']} has no meaning here; a backslash before it makes it text.")
        case "bar" if pieces.innermost == "[":
            raise ValueError("[one|another], words that take turns, is not supported.")
        case "literal":
            pieces.add(token["literal"])
        case _:
            pieces.add(token[0])


def _weigh(pieces: _Pieces, token: re.Match[str]) -> None:
    """The end of `(words:1.3)`; where no bracket is open, that is text. Raises: ValueError."""
    bracket = OPENED_BY[token["weighs"]]
    if not pieces.is_open(bracket):
        pieces.add(token[0])
    elif bracket == "[":
        raise ValueError("[from:to:when], words that change on the way, is not supported.")
    else:
        pieces.close(bracket, _number(token["weight"]))


def _number(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0 <= weight <= MAX_WEIGHT:
        raise ValueError(f"a weight is a number from 0 to {MAX_WEIGHT:g}.")
    return weight


def _checked(segments: tuple[Segment, ...], field: str) -> tuple[Segment, ...]:
    if any(run.weight > MAX_WEIGHT for segment in segments for run in segment):
        raise MalformedPrompt(f"{field}: nested weights multiply to more than {MAX_WEIGHT:g}.", field=field)
    if len(segments) > MAX_SEGMENTS:
        raise MalformedPrompt(f"{field}: BREAK may divide it into at most {MAX_SEGMENTS} parts.", field=field)
    return segments


def _segment(segment: Segment) -> str:
    return "".join(_run(*run) for run in segment)


def _run(text: str, weight: float) -> str:
    escaped = _MARKS.sub(r"\\\g<0>", text)
    return escaped if weight == 1 else f"({escaped}:{Decimal(repr(weight)):f})"


def _guarded(text: str) -> str:
    """Blanks at either end would go with the `BREAK` beside them."""
    return re.sub(r"(?s)^(\s)(.*)", r"\\\1\2", re.sub(r"(?s)(.*)(\s)$", r"\1\\\2", text))
