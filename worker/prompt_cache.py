"""Prompts that have been encoded lately: the images of one job share theirs, and most jobs have no negative prompt."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from worker.lexicon import PLAIN, Lexicon
from worker.stepwise_pipeline import PromptEmbeds, StepwisePipeline

MAX_BYTES = 256 * 2**20


class Wanted(NamedTuple):
    """A prompt of one row; `negative` says that it is what the picture must not show."""

    text: str
    negative: bool


class _Key(NamedTuple):
    """What an encoded prompt depends on; `length` is 0 where it is as long as it comes."""

    text_digest: str
    text: str
    negative: bool
    lexicon: Lexicon
    length: int


class PromptCache:
    """Prompts by their text encoder's digest, text and lexicon, at most `max_bytes`; the least recently used go first.

    Promise: what it returns has the bits of a fresh encoding, as prompts are always encoded one at a time.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._embeds: OrderedDict[_Key, PromptEmbeds] = OrderedDict()

    def encode_prompt(
        self, pipeline: StepwisePipeline, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN
    ) -> PromptEmbeds:
        """A prompt's embeds, encoded by the pipeline unless they are known. Raises: as the pipeline."""
        key = _Key(pipeline.text_digest, prompt, negative, lexicon.name, 0)
        return self._known(key, lambda: pipeline.encode_prompt(prompt, negative=negative, lexicon=lexicon))

    def encode_prompts(
        self, pipeline: StepwisePipeline, prompts: Sequence[Wanted], lexicon: Lexicon = PLAIN
    ) -> tuple[PromptEmbeds, ...]:
        """The prompts of one image, all as long as the longest of them, so that they fit into one forward."""
        found = [self.encode_prompt(pipeline, one.text, negative=one.negative, lexicon=lexicon) for one in prompts]
        length = max((_length(embeds) for embeds in found), default=0)
        return tuple(
            embeds if _length(embeds) == length else self._lengthened(pipeline, one, embeds, lexicon, length)
            for one, embeds in zip(prompts, found, strict=True)
        )

    def _lengthened(
        self, pipeline: StepwisePipeline, prompt: Wanted, embeds: PromptEmbeds, lexicon: Lexicon, length: int
    ) -> PromptEmbeds:
        """With chunks of an empty prompt behind its own. Shapes: prompt_embeds (1, length, D)."""
        key = _Key(pipeline.text_digest, prompt.text, prompt.negative, lexicon.name, length)
        negative = prompt.negative and not prompt.text
        empty = self.encode_prompt(pipeline, "", negative=negative, lexicon=lexicon.unlettered)
        return self._known(key, lambda: _followed(embeds, empty, length))

    def _known(self, key: _Key, encode: Callable[[], PromptEmbeds]) -> PromptEmbeds:
        if key not in self._embeds:
            self._remember(key, encode())
        self._embeds.move_to_end(key)
        return self._embeds[key]

    def _remember(self, key: _Key, embeds: PromptEmbeds) -> None:
        self._embeds[key] = embeds
        self._num_bytes += _num_bytes(embeds)
        while self._num_bytes > self._max_bytes and len(self._embeds) > 1:
            _, oldest = self._embeds.popitem(last=False)
            self._num_bytes -= _num_bytes(oldest)


def _followed(embeds: PromptEmbeds, empty: PromptEmbeds, length: int) -> PromptEmbeds:
    missing = (length - _length(embeds)) // _length(empty)
    return replace(embeds, prompt_embeds=torch.cat([embeds.prompt_embeds, *[empty.prompt_embeds] * missing], dim=1))


def _length(embeds: PromptEmbeds) -> int:
    return embeds.prompt_embeds.shape[1]


def _num_bytes(embeds: PromptEmbeds) -> int:
    tensors: list[Tensor] = [embeds.prompt_embeds]
    if embeds.pooled_prompt_embeds is not None:
        tensors.append(embeds.pooled_prompt_embeds)
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
