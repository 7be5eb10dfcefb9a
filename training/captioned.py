"""This file knows how a folder holds pictures and their captions, and how these become batches."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderDC
from PIL import Image, ImageOps
from torch import Tensor

from training.denoiser import Batch
from training.scenes import to_tensor
from training.text_states import TextStates

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
LISTED = "captions.jsonl"


class NoPicturesError(Exception):
    """The folder has no picture that could be learned from."""


@dataclass(frozen=True)
class Captioned:
    """Pictures (N, 3, H, W) in -1 … 1, all of one size, and what each shows."""

    pixels: Tensor
    captions: tuple[str, ...]

    def draw(self, size: int, rng: random.Random) -> Tensor:
        """Some of the pictures, (size, 3, H, W)."""
        return self.pixels[rng.choices(range(len(self.pixels)), k=size)]


def read_folder(folder: Path, size: int) -> Captioned:
    """Every picture of a folder, its middle scaled to `size`; captions from `NAME.txt` or `captions.jsonl`.

    A picture without a caption is learned for the empty prompt. Raises: NoPicturesError.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not files:
        raise NoPicturesError(f"{folder} has no {', '.join(sorted(PICTURES))}.")
    listed = _listed(folder / LISTED)
    pixels = to_tensor([_square(path, size) for path in files])
    return Captioned(pixels, tuple(_caption(path, listed) for path in files))


def _square(path: Path, size: int) -> Image.Image:
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGBA")
    on_white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return ImageOps.fit(on_white, (size, size), Image.Resampling.LANCZOS)


def _listed(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {entry["file_name"]: entry["text"] for entry in map(json.loads, filter(None, lines))}


def _caption(path: Path, listed: dict[str, str]) -> str:
    beside = path.with_suffix(".txt")
    return beside.read_text(encoding="utf-8").strip() if beside.exists() else listed.get(path.name, "")


@dataclass(frozen=True)
class Encoded:
    """Latents (N, C, H, W) of standard deviation 1, and what each shows."""

    latents: Tensor
    captions: tuple[str, ...]
    text_states: TextStates
    caption_dropout: float

    def batch(self, size: int, rng: random.Random) -> Batch:
        """Some of them, with captions dropped at random so that guidance has something to point away from."""
        rows = rng.choices(range(len(self.latents)), k=size)
        captions = ["" if rng.random() < self.caption_dropout else self.captions[row] for row in rows]
        return Batch(self.latents[rows], self.text_states(captions))


@torch.no_grad()
def encode(pictures: Captioned, vae: AutoencoderDC) -> Tensor:
    """What the autoencoder makes of every picture, (N, C, H, W)."""
    parts = pictures.pixels.contiguous(memory_format=torch.channels_last).split(32)
    return torch.cat([vae.encode(part).latent.contiguous() for part in parts])
