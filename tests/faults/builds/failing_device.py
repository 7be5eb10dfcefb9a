"""A device whose results are no numbers for as long as a file is there."""

from pathlib import Path

from torch import Tensor

from tests.worker.engines import Wrapped
from worker.stepwise_pipeline import Conditioning, StepwisePipeline


class FailingDevice(Wrapped):
    def __init__(self, inner: StepwisePipeline, broken: Path) -> None:
        super().__init__(inner)
        self._broken = broken

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        output = super().denoise(latents, timesteps, conditioning)
        return output * float("nan") if self._broken.exists() else output
