"""From a prompt to the tokens that a text encoder reads at a time, each with what it counts."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from contract.prompt_syntax import MAX_SEGMENTS, Run
from worker.lexicon import Lexicon
from worker.textual_inversion import Inversion

COMMA_REACH = 20
"""Tokens; what follows a comma so near to the end of a chunk goes to the next one with the word that has no room."""


class Token(NamedTuple):
    """One place in a prompt; a vector, where there is one, stands for what the encoder knows of `id`. Shapes: (D,)."""

    id: int
    weight: float = 1.0
    vector: Tensor | None = None


Word = tuple[Token, ...]
"""Tokens that no chunk may part."""


@dataclass(frozen=True, slots=True)
class Chunked:
    """A prompt in chunks; of `num_tokens`, start and end counted once, `num_tokens_used` are in them."""

    chunks: tuple[tuple[Token, ...], ...]
    num_tokens: int
    num_tokens_used: int


class Frame(NamedTuple):
    """What is around the tokens of a chunk, which has `length` of them in all."""

    start: int
    end: int
    padding: int
    comma: int
    length: int

    @property
    def capacity(self) -> int:
        """Tokens of a prompt in one chunk."""
        return self.length - 2

    def input_ids(self, chunk: Sequence[Token]) -> Tensor:
        """What the encoder reads. Shapes: result (1, length)."""
        ids = [self.start, *(token.id for token in chunk), self.end]
        return torch.tensor([ids + [self.padding] * (self.length - len(ids))])

    def attention_mask(self, chunk: Sequence[Token]) -> Tensor:
        """1 for all but the padding. Shapes: result (1, length)."""
        num_read = len(chunk) + 2
        return torch.tensor([[1] * num_read + [0] * (self.length - num_read)])

    def weights(self, chunk: Sequence[Token]) -> Tensor:
        """What each token counts; start, end and padding count 1. Shapes: result (length,)."""
        weights = [1.0, *(token.weight for token in chunk)]
        return torch.tensor(weights + [1.0] * (self.length - len(weights)))

    def vectors(self, chunk: Sequence[Token]) -> dict[int, Tensor]:
        """The vectors among the tokens, by their place."""
        return {place: token.vector for place, token in enumerate(chunk, start=1) if token.vector is not None}


def frame_of(tokenizer: Any, max_length: int) -> Frame:
    """How a tokenizer frames what it reads."""
    start, end = tokenizer("").input_ids
    comma = tokenizer(",", add_special_tokens=False).input_ids[-1]
    return Frame(start, end, tokenizer.pad_token_id, comma, max_length)


def chunked(tokenizer: Any, frame: Frame, prompt: str, lexicon: Lexicon, encoder: int) -> Chunked:
    """A prompt for the text encoder of this number: plain ones are cut, of others the first chunks are read.

    Source: chunks are filled as by `tokenize_line` of AUTOMATIC1111/stable-diffusion-webui, modules/sd_hijack_clip.py.
    """
    segments = [
        [word for run in segment for word in _words(tokenizer, run, lexicon.inversions, encoder)]
        for segment in lexicon.segments(prompt)
    ]
    chunks = _cut(segments[0], frame) if lexicon.syntax == "plain" else _filled(segments, frame)
    num_tokens = sum(len(word) for segment in segments for word in segment)
    return Chunked(chunks, num_tokens + 2, sum(len(chunk) for chunk in chunks) + 2)


def _cut(words: Iterable[Word], frame: Frame) -> tuple[tuple[Token, ...], ...]:
    return (tuple(token for word in words for token in word)[: frame.capacity],)


def _filled(segments: Iterable[Iterable[Word]], frame: Frame) -> tuple[tuple[Token, ...], ...]:
    chunks: list[list[Token]] = []
    for segment in segments:
        chunks.append([])
        for word in segment:
            _add(chunks, word[: frame.capacity], frame)
    return tuple(tuple(chunk) for chunk in chunks[:MAX_SEGMENTS])


def _add(chunks: list[list[Token]], word: Word, frame: Frame) -> None:
    if len(chunks[-1]) + len(word) > frame.capacity:
        chunks.append([] if word[0].id == frame.comma else _taken_after_comma(chunks[-1], frame.comma))
    if len(chunks[-1]) + len(word) > frame.capacity:
        chunks.append([])
    chunks[-1] += word


def _taken_after_comma(chunk: list[Token], comma: int) -> list[Token]:
    """Takes away what follows the last comma, if that is near the end."""
    near = range(len(chunk) - 1, max(len(chunk) - COMMA_REACH, 0) - 1, -1)
    start = next((place + 1 for place in near if chunk[place].id == comma), len(chunk))
    taken = chunk[start:]
    del chunk[start:]
    return taken


def _words(tokenizer: Any, run: Run, inversions: Sequence[Inversion], encoder: int) -> Iterator[Word]:
    if not inversions:
        yield from _known_words(tokenizer, run.text, run.weight)
        return
    normalized = tokenizer.backend_tokenizer.normalizer.normalize_str
    named = {normalized(inversion.token): inversion for inversion in inversions}
    names = "|".join(re.escape(name) for name in sorted(named, key=len, reverse=True))
    for part in re.split(f"({names})", normalized(run.text)):
        if part in named:
            vectors = named[part].vectors[encoder]
            yield tuple(Token(0, run.weight * named[part].weight, vector) for vector in vectors)
        else:
            yield from _known_words(tokenizer, part, run.weight)


def _known_words(tokenizer: Any, text: str, weight: float) -> Iterator[Word]:
    for number in tokenizer(text, add_special_tokens=False, verbose=False).input_ids:
        yield (Token(number, weight),)
