"""From a prompt to the numbers of its tokens: always exactly as many as the text encoder reads."""

from dataclasses import dataclass
from typing import Any

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


def tokenize(tokenizer: Any, prompt: str) -> Tokens:
    """The tokens of one prompt, with those that mark its start and end.

    Source: must equal what `StableDiffusionPipeline.encode_prompt` asks of its tokenizer.
    """
    padded = tokenizer(
        prompt, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    )
    whole = tokenizer(prompt, truncation=False, verbose=False).input_ids
    return Tokens(padded.input_ids, padded.attention_mask, num_tokens=len(whole))
