"""This file knows how sprites become a picture, and pictures tensors."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from training.places import SPOTS, Colour
from training.sprites import Sprite

SIZE = 128


def compose(spots: Sequence[str], sprites: Sequence[Sprite], colour: Colour, rng: random.Random) -> Image.Image:
    """Set each sprite on its spot of a plain background, with a little jitter; equal `rng` states, equal pictures."""
    canvas = Image.new("RGB", (SIZE, SIZE), colour)
    for sprite, spot in zip(sprites, spots, strict=True):
        alone = spot == "centre"
        image = sprite.scaled(rng.randint(106, 114) if alone else 58)
        jitter = 2 if alone else 1
        x, y = SPOTS[spot]
        left = x - image.width // 2 + rng.randint(-jitter, jitter)
        top = y - image.height // 2 + rng.randint(-jitter, jitter)
        canvas.paste(image, (left, top), image)
    return canvas


def to_tensor(images: Sequence[Image.Image]) -> Tensor:
    """Pictures as (B, 3, H, W) in -1 … 1."""
    stacked = np.stack([np.asarray(image, dtype=np.float32) for image in images])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous() / 127.5 - 1.0


def to_images(pixels: Tensor) -> list[Image.Image]:
    """(B, 3, H, W) in -1 … 1 as pictures."""
    arrays = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(array) for array in arrays]
