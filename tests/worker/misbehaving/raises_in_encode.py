"""The text encoder fails."""

from tests.worker.engines import Wrapped
from tests.worker.misbehaving.culprits import CULPRIT
from worker.lexicon import PLAIN, Lexicon
from worker.stepwise_pipeline import PromptEmbeds


class RaisesInEncode(Wrapped):
    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        if prompt == CULPRIT:
            raise IndexError("a token that is in no vocabulary")
        return super().encode_prompt(prompt, negative=negative, lexicon=lexicon)
