"""What transformers' image processors do to a picture, done to tensors so that gradients pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from contract.errors import ModelUnavailable

Sides = tuple[int, int]
"""Height and width in pixels."""

SUPPORTED: dict[str, tuple[Any, ...]] = {
    "do_resize": (True,),
    "do_rescale": (True,),
    "rescale_factor": (1 / 255, 0.00392156862745098, 0.003921569),
    "rescale_offset": (False, None),
    "do_pad": (False, None),
    "resample": (2, 3),
}
"""Entries that change what a network is shown, and the values that are followed, the usual one first."""

MODES = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers for ways to resize."""

SMALLEST_UNCROPPED = 384
"""Shorter edges than this have `crop_pct` applied; must equal `ConvNextImageProcessor.resize`."""


@dataclass(frozen=True)
class Preprocessing:
    """Resizing to `sides`, or to a shorter edge of so many pixels; `crop` out of the middle; a mean and a deviation."""

    sides: Sides | int
    crop: Sides | None
    mode: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Preprocessing":
        """What a `preprocessor_config.json` describes. Raises: ModelUnavailable."""
        for entry, known in SUPPORTED.items():
            if config.get(entry, known[0]) not in known:
                raise ModelUnavailable(f"preprocessor_config.json has {entry} = {config[entry]!r}, not supported.")
        sides, crop = _sides_and_crop(config)
        normal = config.get("do_normalize", True)
        return cls(
            sides=sides,
            crop=crop,
            mode=MODES[config.get("resample", 2)],
            mean=tuple(config.get("image_mean", (0.5,))) if normal else (0.0,),
            deviation=tuple(config.get("image_std", (0.5,))) if normal else (1.0,),
        )

    def __call__(self, pixels: Tensor) -> Tensor:
        """Pictures as the network was trained to see them.

        Shapes: pixels (B, 3, height, width) from -1 to 1; result (B, 3, …).
        Source: must equal the image processors of transformers, but for their rounding to whole numbers.
        """
        sides = _scaled(pixels, self.sides) if isinstance(self.sides, int) else self.sides
        if tuple(pixels.shape[2:]) != sides:
            pixels = functional.interpolate(pixels, sides, mode=self.mode, align_corners=False, antialias=True)
        if self.crop is not None:
            pixels = _centre(pixels, self.crop)
        mean, deviation = (torch.tensor(values).to(pixels).view(1, -1, 1, 1) for values in (self.mean, self.deviation))
        return ((pixels + 1) / 2 - mean) / deviation


def _sides_and_crop(config: Mapping[str, Any]) -> tuple[Sides | int, Sides | None]:
    size = _size(config.get("size", 224))
    if config.get("crop_pct") is not None and isinstance(size, int):
        if size >= SMALLEST_UNCROPPED:
            return (size, size), None
        return int(size / config["crop_pct"]), (size, size)
    if not config.get("do_center_crop"):
        return size, None
    crop = _size(config.get("crop_size", size))
    return size, (crop, crop) if isinstance(crop, int) else crop


def _size(size: Any) -> Sides | int:
    match size:
        case int():
            return size, size
        case {"shortest_edge": int(edge)}:
            return edge
        case {"height": int(height), "width": int(width)}:
            return height, width
    raise ModelUnavailable(f"preprocessor_config.json has a size of {size!r}, which is not supported.")


def _scaled(pixels: Tensor, edge: int) -> Sides:
    height, width = pixels.shape[2:]
    if height <= width:
        return edge, int(edge * width / height)
    return int(edge * height / width), edge


def _centre(pixels: Tensor, sides: Sides) -> Tensor:
    height, width = sides
    top, left = (pixels.shape[2] - height) // 2, (pixels.shape[3] - width) // 2
    return pixels[:, :, top : top + height, left : left + width]
