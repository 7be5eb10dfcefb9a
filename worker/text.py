"""From a prompt to the numbers of its tokens: always exactly as many as the text encoder reads."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Tokens:
    """A prompt of `num_tokens` tokens, padded or cut to L. Shapes: input_ids and attention_mask (1, L)."""

    input_ids: Tensor
    attention_mask: Tensor
    num_tokens: int

    @property
    def num_tokens_used(self) -> int:
        """Tokens that the text encoder reads, padding left out."""
        return min(self.num_tokens, self.input_ids.shape[1])


class Reader(NamedTuple):
    """A tokenizer and the text encoder that it writes for, which reads at most `max_length` tokens."""

    tokenizer: Any
    text_encoder: Any
    max_length: int

    def read(self, prompt: str) -> tuple[Tokens, Any]:
        """The tokens of a prompt, and the encoder's states of all layers."""
        tokens = tokenize(self.tokenizer, prompt, self.max_length)
        ids = tokens.input_ids.to(self.text_encoder.device)
        return tokens, self.text_encoder(ids, output_hidden_states=True)


def tokenize(tokenizer: Any, prompt: str, max_length: int) -> Tokens:
    """The tokens of one prompt, with those that mark its start and end. Shapes: result (1, max_length).

    Source: must equal what `StableDiffusionPipeline.encode_prompt` asks of its tokenizer.
    """
    padded = tokenizer(prompt, padding="max_length", max_length=max_length, truncation=True, return_tensors="pt")
    whole = tokenizer(prompt, truncation=False, verbose=False).input_ids
    return Tokens(padded.input_ids, padded.attention_mask, num_tokens=len(whole))
