"""Which tokens a prompt became, each with its text, in the positions at which the network reads their states."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import functional

from contract.trace_document import TextTraced, TokenTraced
from worker.chunks import Chunked, Frame, Token, chunked, frame_of
from worker.lexicon import Lexicon
from worker.text import Reader

MARKS = ("</w>", "Ġ", "▁")
"""How tokenizers write the end of a word, or its beginning."""


class Legend(NamedTuple):
    """The tokens of a prompt up to its end, chunk by chunk; `truncated` says that the prompt has more."""

    tokens: tuple[TokenTraced, ...]
    truncated: bool

    @property
    def positions(self) -> list[int]:
        """Where they are."""
        return [token.position for token in self.tokens]

    def text(self, states: Tensor) -> TextTraced:
        """What the text encoder made of them. Shapes: states (1, L, D)."""
        read = states[0, self.positions].float()
        unit = functional.normalize(read, dim=1)
        return TextTraced(norms=read.norm(dim=1).tolist(), similarities=(unit @ unit.T).clamp(-1, 1).tolist())


NO_LEGEND = Legend((), truncated=False)


def legend_of(reader: Reader, prompt: str, lexicon: Lexicon) -> Legend:
    """The tokens of a prompt, as `worker.emphasis.read` has the encoder read it. Raises: MalformedPrompt."""
    frame = frame_of(reader.tokenizer, reader.max_length)
    found = chunked(reader.tokenizer, frame, prompt, lexicon, 0)
    return Legend(tuple(_tokens(reader.tokenizer, frame, found)), found.num_tokens > found.num_tokens_used)


def _tokens(tokenizer: Any, frame: Frame, found: Chunked) -> Iterator[TokenTraced]:
    for number, chunk in enumerate(found.chunks):
        marked = [Token(frame.start), *chunk, Token(frame.end)]
        for place, token in enumerate(marked):
            yield TokenTraced(
                position=number * frame.length + place,
                id=token.id,
                text="" if token.vector is not None else _text(tokenizer, token.id),
                is_special=place in (0, len(marked) - 1),
                weight=token.weight,
            )


def _text(tokenizer: Any, number: int) -> str:
    text: str = tokenizer.convert_ids_to_tokens(number)
    for mark in MARKS:
        text = text.removeprefix(mark).removesuffix(mark)
    return text
