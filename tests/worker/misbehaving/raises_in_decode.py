"""The network works, and the autoencoder fails for one picture."""

import torch
from torch import Tensor

from tests.worker.engines import Wrapped

CULPRIT_WIDTH = 8
"""Latents of this width cannot be decoded."""


class RaisesInDecode(Wrapped):
    def decode_latents(self, latents: Tensor) -> Tensor:
        if latents.shape[3] == CULPRIT_WIDTH:
            raise torch.OutOfMemoryError("a picture too large")
        return super().decode_latents(latents)
