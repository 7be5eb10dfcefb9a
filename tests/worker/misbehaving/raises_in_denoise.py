"""The whole forward fails because of one row."""

from collections.abc import Sequence

from torch import Tensor

from tests.worker.misbehaving.culprits import KnowsCulprits
from worker.stepwise_pipeline import PromptEmbeds


class RaisesInDenoise(KnowsCulprits):
    def denoise(self, latents: Tensor, timesteps: Tensor, embeds: Sequence[PromptEmbeds]) -> Tensor:
        if any(self.is_culprit(prompt) for prompt in embeds):
            raise RuntimeError("a row that no kernel can take")
        return super().denoise(latents, timesteps, embeds)
