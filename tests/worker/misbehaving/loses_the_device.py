"""A kernel breaks the device's context, so that nothing works in this process any more."""

import torch
from torch import Tensor

from tests.worker.misbehaving.culprits import KnowsCulprits
from worker.stepwise_pipeline import Conditioning, StepwisePipeline


class LosesTheDevice(KnowsCulprits):
    culprit = "loses the device"

    def __init__(self, inner: StepwisePipeline) -> None:
        super().__init__(inner)
        self._is_lost = False

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        self._is_lost = self._is_lost or self.has_culprit(conditioning)
        if self._is_lost:
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")
        return super().denoise(latents, timesteps, conditioning)
