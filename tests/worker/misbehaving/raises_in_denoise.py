"""The whole forward fails because of one row."""

from torch import Tensor

from tests.worker.misbehaving.culprits import KnowsCulprits
from worker.stepwise_pipeline import Conditioning


class RaisesInDenoise(KnowsCulprits):
    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        if self.has_culprit(conditioning):
            raise RuntimeError("a row that no kernel can take")
        return super().denoise(latents, timesteps, conditioning)
