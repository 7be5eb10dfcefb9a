"""The network's output is not a number."""

from torch import Tensor

from tests.worker.misbehaving.culprits import KnowsCulprits
from worker.stepwise_pipeline import Conditioning


class ReturnsNan(KnowsCulprits):
    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        output = super().denoise(latents, timesteps, conditioning)
        for row, prompt in enumerate(conditioning.prompt_embeds):
            if self.is_culprit(prompt):
                output[row, 0, 0, 0] = float("nan")
        return output
