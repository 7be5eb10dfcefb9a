"""The tensors of one forward, allocated once: rows are written into them, and what does not change stays there."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.certificate import Shape
from worker.control import Control
from worker.steering import Steering
from worker.stepwise_pipeline import Conditioning, PromptEmbeds


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """One row of a forward, as the network is to see it. Shapes: model_input (1, C, H, W), timestep ()."""

    model_input: Tensor
    timestep: Tensor
    embeds: PromptEmbeds
    guidance_scale: float
    steering: tuple[Steering, ...] = ()
    controls: tuple[Control, ...] = ()


class Bucket:
    """Room for `size` rows of one shape; rows that are not filled repeat older ones. Not for several threads."""

    def __init__(self, size: int, shape: Shape, device: torch.device) -> None:
        self.size = size
        self.latents = torch.zeros((size, *shape.latents), device=device)
        self.timesteps = torch.zeros(size, device=device)
        pooled = None if shape.pooled is None else torch.zeros((size, *shape.pooled), device=device)
        self.conditioning = Conditioning(
            torch.zeros((size, *shape.prompt_embeds), device=device), pooled, torch.ones(size, device=device)
        )
        self._embeds: list[PromptEmbeds | None] = [None] * size

    def fill(self, rows: Sequence[Row]) -> None:
        """Writes rows into the first slots; a prompt that is in its slot already is not copied again."""
        count = len(rows)
        torch.cat([row.model_input for row in rows], out=self.latents[:count])
        self.timesteps[:count] = torch.stack([row.timestep for row in rows])
        self.conditioning.guidance_scales[:count] = torch.tensor([row.guidance_scale for row in rows])
        self.conditioning.steering[:] = [row.steering for row in rows]
        self.conditioning.controls[:] = [row.controls for row in rows]
        for slot, row in enumerate(rows):
            if self._embeds[slot] is not row.embeds:
                self._write_embeds(slot, row.embeds)

    def _write_embeds(self, slot: int, embeds: PromptEmbeds) -> None:
        self.conditioning.prompt_embeds[slot] = embeds.prompt_embeds[0]
        if self.conditioning.pooled_prompt_embeds is not None and embeds.pooled_prompt_embeds is not None:
            self.conditioning.pooled_prompt_embeds[slot] = embeds.pooled_prompt_embeds[0]
        self._embeds[slot] = embeds
