"""What an image is painted over: what of it stays as it was, and what else the network sees."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contract.editing import Size
from contract.maps import Task
from worker import fills
from worker.images import Pixels
from worker.keeping import Original
from worker.maps import read_off
from worker.masks import Mask, Region
from worker.seams import healed
from worker.stages import Role
from worker.steering import Steering


@dataclass(frozen=True, eq=False, slots=True)
class Canvas:
    """A picture, and what becomes of it.

    `mask` says which pixels of it stay; None is none of them. `original` is what is kept of it meanwhile. `extra` are
    channels that the network sees beside the latents, `steering` is what the prompt's row asks of it. `result_size` is
    that of the result, where it is not the picture's; `region` the part that is painted, where that is not all; `task`
    what the result shows of the picture, where it is a map.
    Shapes: picture (height, width, 3), mask (height, width), extra (1, E, H, W).
    """

    picture: Pixels
    mask: Mask | None = None
    original: Original | None = None
    extra: Tensor | None = None
    steering: tuple[Steering, ...] = ()
    result_size: Size | None = None
    region: Region | None = None
    task: Task | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of a result's size the network does not draw."""
        if self.result_size is None:
            return ()
        size = Size(*self.picture.shape[:2])
        if self.task is not None:
            return (f"The map was drawn at {size}, which the model takes, and resampled to {self.result_size}.",)
        return (f"upscale: details were drawn at {size}, which the model takes, and resampled to {self.result_size}.",)

    def beside(self, model_input: Tensor, role: Role) -> Tensor:
        """What the network sees in a row of this role: the latents, and after them what is beside them.

        Shapes: model_input (1, C, H, W), result (1, C + E, H, W).
        """
        if self.extra is None:
            return model_input
        return torch.cat([model_input, torch.zeros_like(self.extra) if role == "nothing" else self.extra], dim=1)

    def composite(self, pixels: Pixels) -> Pixels:
        """A picture of this size with every pixel put back that the mask does not let change.

        Shapes: pixels and result (height, width, 3).
        """
        if self.mask is None:
            resampled = pixels if self.result_size is None else fills.resampled(pixels, self.result_size)
            return resampled if self.task is None else read_off(self.task, resampled)
        if self.region is None:
            return _mixed(pixels, self.picture, self.mask)
        result, picture, mask = self.picture.copy(), self.picture[self.region], self.mask[self.region]
        result[self.region] = _mixed(fills.resampled(pixels, Size(*mask.shape)), picture, mask)
        return result


def _mixed(pixels: Pixels, picture: Pixels, mask: Mask) -> Pixels:
    """The pixels where the mask is white, the picture where it is black, and both between, so that changes fade out.

    Shapes: pixels, picture and result (height, width, 3).
    """
    weight = mask[..., None].astype(np.uint32)
    mixed = (weight * healed(pixels, picture, mask) + (255 - weight) * picture + 127) // 255
    result: Pixels = np.where(weight == 0, picture, mixed.astype(np.uint8))
    return result
