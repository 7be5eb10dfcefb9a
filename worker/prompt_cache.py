"""Prompts that have been encoded lately: the images of one job share theirs, and most jobs have no negative prompt."""

from collections import OrderedDict

from worker.stepwise_pipeline import PromptEmbeds, StepwisePipeline


class PromptCache:
    """The last few prompts of each model, as its network reads them.

    Promise: what it returns has the bits of a fresh encoding, as prompts are always encoded one at a time.
    """

    def __init__(self, capacity: int = 64) -> None:
        self._capacity = capacity
        self._embeds: OrderedDict[tuple[str, str, bool], PromptEmbeds] = OrderedDict()

    def encode_prompt(self, model: str, pipeline: StepwisePipeline, prompt: str, *, negative: bool) -> PromptEmbeds:
        """A prompt's embeds, encoded by the pipeline unless they are known."""
        key = model, prompt, negative
        if key not in self._embeds:
            self._embeds[key] = pipeline.encode_prompt(prompt, negative=negative)
        self._embeds.move_to_end(key)
        if len(self._embeds) > self._capacity:
            self._embeds.popitem(last=False)
        return self._embeds[key]
