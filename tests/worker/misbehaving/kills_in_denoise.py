"""The process ends in the middle of a forward, as by a fault in a kernel."""

import os
import signal

from torch import Tensor

from tests.worker.misbehaving.culprits import KnowsCulprits
from worker.stepwise_pipeline import Conditioning


class KillsInDenoise(KnowsCulprits):
    culprit = "kills"

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        if self.has_culprit(conditioning):
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().denoise(latents, timesteps, conditioning)
