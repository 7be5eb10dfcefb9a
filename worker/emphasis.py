"""What a text encoder makes of a prompt in chunks, and what it means that a word counts more or less."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from worker.chunks import Frame, Token, chunked, frame_of
from worker.lexicon import Lexicon
from worker.steering import Steering, steered
from worker.text import Reader
from worker.textual_inversion import embedded

StatesOf = Callable[[Any], Tensor]
"""From an encoder's output to the states that the network reads. Shapes: result (1, L, D)."""


class Reading(NamedTuple):
    """A prompt as it was read. `first` is the encoder's output for the first chunk. Shapes: states (1, n · L, D)."""

    states: Tensor
    first: Any
    num_tokens: int
    num_tokens_used: int


def read(
    reader: Reader, prompt: str, lexicon: Lexicon, states_of: StatesOf, *, encoder: int = 0, masked: bool = False
) -> Reading:
    """The states of a prompt, chunk behind chunk, its words weighted; `encoder` says for which of a model's encoders.

    Promise: words that count 1 have the bits of the encoder's own states, whatever the others count.
    """
    frame = frame_of(reader.tokenizer, reader.max_length)
    found = chunked(reader.tokenizer, frame, prompt, lexicon, encoder)
    steering = lexicon.steering(encoder, reader.text_encoder)
    outputs = [_output(reader, frame, chunk, masked, steering) for chunk in found.chunks]
    states = [states_of(output) for output in outputs]
    if any(token.weight != 1 for chunk in found.chunks for token in chunk):
        empty = states_of(_output(reader, frame, (), masked, steering))
        weights = [frame.weights(chunk) for chunk in found.chunks]
        states = [weighted(one, empty, counts) for one, counts in zip(states, weights, strict=True)]
    return Reading(torch.cat(states, dim=1), outputs[0], found.num_tokens, found.num_tokens_used)


def weighted(states: Tensor, empty: Tensor, weights: Tensor) -> Tensor:
    """States moved away from those of an empty prompt, or towards them, place by place.

    Shapes: states, empty and result (1, L, D), weights (L,).
    Source: must equal `encode_token_weights` of comfyanonymous/ComfyUI, comfy/sd1_clip.py.
    """
    weights = weights.to(states.device)[:, None]
    moved = empty.float() + weights * (states.float() - empty.float())
    return torch.where(weights == 1, states, moved.to(states.dtype))


def _output(reader: Reader, frame: Frame, chunk: Sequence[Token], masked: bool, steering: tuple[Steering, ...]) -> Any:
    device = reader.text_encoder.device
    mask = frame.attention_mask(chunk).to(device) if masked else None
    with embedded(reader.text_encoder, frame.vectors(chunk)), steered(reader.text_encoder, [steering]):
        return reader.text_encoder(frame.input_ids(chunk).to(device), attention_mask=mask, output_hidden_states=True)
