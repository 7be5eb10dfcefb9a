"""How latents that must stay are kept: put back after each evaluation, with the noise that belongs to its level."""

from dataclasses import dataclass

import torch
from torch import Tensor

from worker.latents import draw_noise
from worker.schedules import Schedule
from worker.sigmas import noised


@dataclass(frozen=True, eq=False, slots=True)
class Original:
    """A picture's own latents, and the noise that an image over it starts with.

    `until` says after how many evaluations each latent is put back for the last time; None puts none back. With
    `fresh_noise`, what is put back has new noise every time.
    Shapes: clean and noise (1, C, H, W), until (1, 1, H, W).
    """

    clean: Tensor
    noise: Tensor
    until: Tensor | None = None
    fresh_noise: bool = False

    def put_back(self, latents: Tensor, schedule: Schedule, num_done: int, generator: torch.Generator) -> Tensor:
        """The latents after so many evaluations, with the picture's own in the place of those that are kept.

        Shapes: latents and result (1, C, H, W).
        Source: Avrahami et al. 2022, arXiv:2206.02779, Algorithm 1; with fresh noise Lugmayr et al. 2022,
                arXiv:2201.09865, equation 8. Must equal the loop of `StableDiffusionInpaintPipeline`.
        """
        if self.until is None:
            return latents
        return torch.where(num_done > self.until, latents, self._at(schedule, num_done, generator))

    def _at(self, schedule: Schedule, num_done: int, generator: torch.Generator) -> Tensor:
        """The clean latents with noise up to the level of the next evaluation."""
        if num_done == len(schedule.evaluations):
            return self.clean
        noise = self.noise
        if self.fresh_noise:
            noise = draw_noise(tuple(noise.shape), generator, noise.device)
        return noised(self.clean, noise, schedule.evaluations[num_done].here)
