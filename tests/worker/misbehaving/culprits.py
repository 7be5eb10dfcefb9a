"""How a misbehaving pipeline knows whom to harm: generations whose prompt is "culprit", or another if it says so."""

import torch
from torch import Tensor

from tests.worker.engines import Wrapped
from worker.lexicon import PLAIN, Lexicon
from worker.stepwise_pipeline import Conditioning, PromptEmbeds, StepwisePipeline

CULPRIT = "culprit"


class KnowsCulprits(Wrapped):
    """A pipeline that remembers which rows are the culprit's."""

    culprit = CULPRIT

    def __init__(self, inner: StepwisePipeline) -> None:
        super().__init__(inner)
        self._culprits: list[PromptEmbeds] = []

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        embeds = super().encode_prompt(prompt, negative=negative, lexicon=lexicon)
        if prompt == self.culprit:
            self._culprits.append(embeds)
        return embeds

    def has_culprit(self, conditioning: Conditioning) -> bool:
        """Whether a row of a forward is the culprit's."""
        return any(self.is_culprit(prompt) for prompt in conditioning.prompt_embeds)

    def is_culprit(self, prompt_embeds: Tensor) -> bool:
        return any(torch.equal(prompt_embeds, culprit.prompt_embeds[0]) for culprit in self._culprits)
