"""This file knows where a sprite's picture and name come from, and how it is cut out and recoloured."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

from training.captions import Vocabulary
from training.configuration import Configuration

PICTURED_GROUPS = frozenset({0, 3, 4, 5, 6, 7})
"""Of emojibase: faces, animals and nature, food, travel, activities, objects."""

ALL_GROUPS = PICTURED_GROUPS | {1, 8, 9}
"""With people, symbols and flags."""

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


def find_pictures(data_file: Path, picture_folder: Path, groups: AbstractSet[int] = PICTURED_GROUPS) -> dict[str, Path]:
    """Label to picture file, for every emoji of the groups that has one."""
    present = {path.stem: path for path in picture_folder.glob("*.webp")}
    found: dict[str, Path] = {}
    for entry in json.loads(data_file.read_text(encoding="utf-8")):
        code = entry["hexcode"].lower()
        names = (code, code.replace("-fe0f", ""), code + "-fe0f")
        path = next((present[name] for name in names if name in present), None)
        if path is not None and entry.get("group") in groups:
            found[entry["label"]] = path
    return found


def load_sprite(label: str, path: Path) -> Sprite:
    """Read one picture, crop it to its visible part and bound its size."""
    with Image.open(path) as opened:
        return _cropped(label, opened.convert("RGBA"))


def drawn_sprite(label: str, path: Path) -> Sprite:
    """The same of a vector drawing."""
    png = resvg_py.svg_to_bytes(svg_path=str(path), width=2 * LARGEST)
    with Image.open(io.BytesIO(bytes(png))) as opened:
        return _cropped(label, opened.convert("RGBA"))


def _cropped(label: str, image: Image.Image) -> Sprite:
    box = image.getchannel("A").point(lambda alpha: 255 if alpha > 8 else 0).getbbox()
    return Sprite(label, Sprite(label, image.crop(box)).scaled(LARGEST))


def tinted(sprite: Sprite, label: str, hue: int) -> Sprite:
    """The sprite with every saturated pixel turned to one hue (0 to 255, as PIL counts)."""
    hsv = np.array(sprite.image.convert("RGB").convert("HSV"))
    hsv[..., 0] = np.where(hsv[..., 1] > 60, hue, hsv[..., 0])
    image = Image.fromarray(hsv, "HSV").convert("RGB")
    image.putalpha(sprite.image.getchannel("A"))
    return Sprite(label, image)


def pictures(configuration: Configuration, groups: AbstractSet[int] = PICTURED_GROUPS) -> dict[str, Path]:
    """Label to picture file, from the unpacked packages."""
    cache = configuration.work_folder / "cache"
    return find_pictures(cache / "emojibase/package/en/data.json", cache / "fluent/package/assets", groups)


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


@dataclass(frozen=True)
class Drawings:
    """Every thing in each style: `usual` with its shades, `flat` without them (things in their own colours only)."""

    usual: dict[str, Sprite]
    flat: dict[str, Sprite]

    def of(self, kind: str, labels: Sequence[str]) -> list[Sprite]:
        """The sprites of a scene of some kind."""
        return [(self.flat if kind == "flat" else self.usual)[label] for label in labels]


def thing_drawings(configuration: Configuration, vocabulary: Vocabulary) -> Drawings:
    """The drawings of every thing of the vocabulary."""
    return Drawings(thing_sprites(configuration, vocabulary), flat_sprites(configuration, vocabulary))


def flat_sprites(configuration: Configuration, vocabulary: Vocabulary) -> dict[str, Sprite]:
    """Every thing in its own colours as the flat style draws it."""
    files, folder = pictures(configuration), configuration.work_folder / "cache/fluent-flat/package/assets"
    flat = {label: folder / f"{files[vocabulary.things[label].picture].stem}.svg" for label in vocabulary.plain}
    return {label: drawn_sprite(label, path) for label, path in flat.items()}


def is_held_out(label: str) -> bool:
    """Whether the autoencoder must never see this sprite, so that its score is honest: one in ten."""
    return hashlib.sha256(label.encode()).digest()[0] % 10 == 0
