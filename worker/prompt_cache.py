"""Prompts that have been encoded lately: the images of one job share theirs, and most jobs have no negative prompt."""

from collections import OrderedDict

from torch import Tensor

from worker.stepwise_pipeline import PromptEmbeds, StepwisePipeline

MAX_BYTES = 256 * 2**20


class PromptCache:
    """Prompts by their text encoder's digest and their text, at most `max_bytes`; the least recently used go first.

    Promise: what it returns has the bits of a fresh encoding, as prompts are always encoded one at a time.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._embeds: OrderedDict[tuple[str, str, bool], PromptEmbeds] = OrderedDict()

    def encode_prompt(self, pipeline: StepwisePipeline, prompt: str, *, negative: bool) -> PromptEmbeds:
        """A prompt's embeds, encoded by the pipeline unless they are known."""
        key = pipeline.text_digest, prompt, negative
        if key not in self._embeds:
            self._remember(key, pipeline.encode_prompt(prompt, negative=negative))
        self._embeds.move_to_end(key)
        return self._embeds[key]

    def _remember(self, key: tuple[str, str, bool], embeds: PromptEmbeds) -> None:
        self._embeds[key] = embeds
        self._num_bytes += _num_bytes(embeds)
        while self._num_bytes > self._max_bytes and len(self._embeds) > 1:
            _, oldest = self._embeds.popitem(last=False)
            self._num_bytes -= _num_bytes(oldest)


def _num_bytes(embeds: PromptEmbeds) -> int:
    tensors: list[Tensor] = [embeds.prompt_embeds]
    if embeds.pooled_prompt_embeds is not None:
        tensors.append(embeds.pooled_prompt_embeds)
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
