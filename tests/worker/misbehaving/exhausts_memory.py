"""A forward asks for more memory than any machine has."""

import torch
from torch import Tensor

from tests.worker.misbehaving.culprits import KnowsCulprits
from worker.stepwise_pipeline import Conditioning


class ExhaustsMemory(KnowsCulprits):
    culprit = "exhausts memory"

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        if self.has_culprit(conditioning):
            torch.empty(2**60, dtype=torch.uint8, device=latents.device)
        return super().denoise(latents, timesteps, conditioning)
