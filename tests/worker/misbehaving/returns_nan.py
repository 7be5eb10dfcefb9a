"""The network's output is not a number."""

from collections.abc import Sequence

from torch import Tensor

from tests.worker.misbehaving.culprits import KnowsCulprits
from worker.stepwise_pipeline import PromptEmbeds


class ReturnsNan(KnowsCulprits):
    def denoise(self, latents: Tensor, timesteps: Tensor, embeds: Sequence[PromptEmbeds]) -> Tensor:
        output = super().denoise(latents, timesteps, embeds)
        for row, prompt in enumerate(embeds):
            if self.is_culprit(prompt):
                output[row, 0, 0, 0] = float("nan")
        return output
