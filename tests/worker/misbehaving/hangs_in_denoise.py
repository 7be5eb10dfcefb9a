"""A forward never ends."""

import threading

from torch import Tensor

from tests.worker.misbehaving.culprits import KnowsCulprits
from worker.stepwise_pipeline import Conditioning


class HangsInDenoise(KnowsCulprits):
    culprit = "hangs"

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        if self.has_culprit(conditioning):
            threading.Event().wait()
        return super().denoise(latents, timesteps, conditioning)
