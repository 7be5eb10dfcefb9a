"""What an image is painted over: where it starts, what of it stays as it was, and what else the network sees."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contract.editing import Size
from worker import fills
from worker.images import Pixels
from worker.latents import draw_noise
from worker.masks import Mask
from worker.seams import healed
from worker.schedules import Schedule
from worker.sigmas import noised


@dataclass(frozen=True, eq=False, slots=True)
class Canvas:
    """A picture, its latents, and the noise that an image over it starts with.

    `kept_until` says after how many evaluations each latent is put back for the last time; None keeps none. With
    `fresh_noise`, what is put back has new noise every time. `mask` says which pixels of the picture stay; None is all
    of them gone. `extra` are channels that the network sees beside the latents.
    Shapes: picture (height, width, 3), mask (height, width), clean and noise (1, C, H, W), kept_until (1, 1, H, W),
            extra (1, E, H, W).
    """

    picture: Pixels
    clean: Tensor
    noise: Tensor
    mask: Mask | None = None
    kept_until: Tensor | None = None
    fresh_noise: bool = False
    extra: Tensor | None = None
    result_size: Size | None = None

    def constrained(self, latents: Tensor, schedule: Schedule, num_done: int, generator: torch.Generator) -> Tensor:
        """The latents after so many evaluations, with the picture's own in the place of those that are kept.

        Shapes: latents and result (1, C, H, W).
        Source: Avrahami et al. 2022, arXiv:2206.02779, Algorithm 1; with fresh noise Lugmayr et al. 2022,
                arXiv:2201.09865, equation 8. Must equal the loop of `StableDiffusionInpaintPipeline`.
        """
        if self.kept_until is None:
            return latents
        return torch.where(num_done > self.kept_until, latents, self._original(schedule, num_done, generator))

    def _original(self, schedule: Schedule, num_done: int, generator: torch.Generator) -> Tensor:
        """The picture's latents at the level of the next evaluation."""
        if num_done == len(schedule.evaluations):
            return self.clean
        noise = self.noise
        if self.fresh_noise:
            noise = draw_noise(tuple(noise.shape), generator, noise.device)
        return noised(self.clean, noise, schedule.evaluations[num_done].here)

    def composite(self, pixels: Pixels) -> Pixels:
        """A picture of this size with every pixel put back that the mask does not let change.

        Where the mask is grey both are mixed, so that the change fades out inside the mask.
        Shapes: pixels and result (height, width, 3).
        """
        if self.mask is None:
            return pixels if self.result_size is None else fills.resampled(pixels, self.result_size)
        weight = self.mask[..., None].astype(np.uint32)
        pixels = healed(pixels, self.picture, self.mask)
        mixed = (weight * pixels + (255 - weight) * self.picture + 127) // 255
        result: Pixels = np.where(weight == 0, self.picture, mixed.astype(np.uint8))
        return result
