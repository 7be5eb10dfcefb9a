"""This file knows where a sprite's picture and name come from, and how it is cut out and recoloured."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from training.captions import Vocabulary
from training.configuration import Configuration

_PICTURED_GROUPS = frozenset({0, 3, 4, 5, 6, 7})
LARGEST = 128


@dataclass(frozen=True)
class Sprite:
    """One object with an alpha channel, cropped to what is visible."""

    label: str
    image: Image.Image

    def scaled(self, size: int) -> Image.Image:
        """This sprite with its longer side at `size` pixels."""
        width, height = self.image.size
        factor = size / max(width, height)
        shape = (max(1, round(width * factor)), max(1, round(height * factor)))
        return self.image.resize(shape, Image.Resampling.LANCZOS)


def find_pictures(data_file: Path, picture_folder: Path) -> dict[str, Path]:
    """Label to picture file, for every emoji of the pictured groups that has one."""
    present = {path.stem: path for path in picture_folder.glob("*.webp")}
    found: dict[str, Path] = {}
    for entry in json.loads(data_file.read_text(encoding="utf-8")):
        code = entry["hexcode"].lower()
        names = (code, code.replace("-fe0f", ""), code + "-fe0f")
        path = next((present[name] for name in names if name in present), None)
        if path is not None and entry.get("group") in _PICTURED_GROUPS:
            found[entry["label"]] = path
    return found


def load_sprite(label: str, path: Path) -> Sprite:
    """Read one picture, crop it to its visible part and bound its size."""
    with Image.open(path) as opened:
        image = opened.convert("RGBA")
    box = image.getchannel("A").point(lambda alpha: 255 if alpha > 8 else 0).getbbox()
    return Sprite(label, Sprite(label, image.crop(box)).scaled(LARGEST))


def tinted(sprite: Sprite, label: str, hue: int) -> Sprite:
    """The sprite with every saturated pixel turned to one hue (0 to 255, as PIL counts)."""
    hsv = np.array(sprite.image.convert("RGB").convert("HSV"))
    hsv[..., 0] = np.where(hsv[..., 1] > 60, hue, hsv[..., 0])
    image = Image.fromarray(hsv, "HSV").convert("RGB")
    image.putalpha(sprite.image.getchannel("A"))
    return Sprite(label, image)


def pictures(configuration: Configuration) -> dict[str, Path]:
    """Label to picture file, from the unpacked packages."""
    cache = configuration.work_folder / "cache"
    return find_pictures(cache / "emojibase/package/en/data.json", cache / "fluent/package/assets")


def all_sprites(configuration: Configuration) -> list[Sprite]:
    """Every pictured emoji."""
    return [load_sprite(label, path) for label, path in pictures(configuration).items()]


def thing_sprites(configuration: Configuration, vocabulary: Vocabulary) -> dict[str, Sprite]:
    """The sprite of every thing of the vocabulary, recoloured where it has a tint."""
    files = pictures(configuration)
    sprites = {}
    for label, thing in vocabulary.things.items():
        sprite = load_sprite(label, files[thing.picture])
        sprites[label] = sprite if thing.tint is None else tinted(sprite, label, thing.tint)
    return sprites


def is_held_out(label: str) -> bool:
    """Whether the autoencoder must never see this sprite, so that its score is honest: one in ten."""
    return hashlib.sha256(label.encode()).digest()[0] % 10 == 0
