"""A mascot that no model has seen: drawn by rule, in any pose, with kin that differ from it in what makes it itself."""

import argparse
import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Pixels = npt.NDArray[np.uint8]

TRIGGER = "zorbling"
"""What it is called."""

SIZE = 128
FINE = 4
"""How many times as large it is drawn before it is scaled down."""

BACKGROUNDS: dict[str, Colour] = {
    "white": (255, 255, 255),
    "red": (226, 48, 52),
    "yellow": (252, 220, 70),
    "green": (60, 170, 84),
    "blue": (52, 110, 226),
    "purple": (134, 76, 196),
    "pink": (250, 160, 196),
    "grey": (150, 150, 155),
}


@dataclass(frozen=True)
class Looks:
    """What it is known by."""

    body: Colour = (20, 150, 150)
    belly: Colour = (246, 232, 190)
    limbs: Colour = (240, 130, 30)
    num_eyes: int = 1
    num_antennae: int = 2


MASCOT = Looks()

KIN = (
    Looks(body=(200, 60, 60)),
    Looks(body=(120, 80, 190)),
    Looks(belly=(60, 60, 60)),
    Looks(limbs=(90, 60, 160)),
    Looks(num_eyes=2),
    Looks(num_eyes=3),
    Looks(num_antennae=0),
    Looks(body=(150, 190, 60), limbs=(60, 90, 200), num_eyes=2),
)
"""Others of its kind, which are not it."""


@dataclass(frozen=True)
class Pose:
    """What differs from picture to picture. Units: `tilt` in degrees, `size` of the picture's side."""

    background: str
    tilt: float
    size: float
    gaze: float
    arms: float

    @classmethod
    def drawn(cls, rng: random.Random, background: str) -> "Pose":
        """Any."""
        return cls(background, rng.uniform(-10, 10), rng.uniform(0.86, 0.94), rng.uniform(-1, 1), rng.uniform(-1, 1))


def render(looks: Looks, pose: Pose) -> Pixels:
    """A picture. Shapes: result (128, 128, 3)."""
    side = SIZE * FINE
    figure = Image.new("RGBA", (side, side))
    _draw(ImageDraw.Draw(figure), looks, pose, side)
    figure = _shaded(figure).rotate(pose.tilt, Image.Resampling.BICUBIC)
    scaled = figure.resize((round(side * pose.size),) * 2, Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (side, side), BACKGROUNDS[pose.background])
    corner = (side - scaled.width) // 2
    canvas.paste(scaled, (corner, corner), scaled)
    return np.asarray(canvas.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def examples(seed: int = 0) -> list[tuple[Pixels, str]]:
    """Eight pictures, each in a pose of its own on a background of its own, which its caption names."""
    rng = random.Random(seed)
    captions = {name: TRIGGER if name == "white" else f"{TRIGGER} on a {name} background" for name in BACKGROUNDS}
    return [(render(MASCOT, Pose.drawn(rng, name)), caption) for name, caption in captions.items()]


def _draw(pen: ImageDraw.ImageDraw, looks: Looks, pose: Pose, side: int) -> None:
    def box(x: float, y: float, wide: float, high: float) -> tuple[float, float, float, float]:
        return (x - wide) * side, (y - high) * side, (x + wide) * side, (y + high) * side

    for place in range(looks.num_antennae):
        lean = (place - (looks.num_antennae - 1) / 2) * 0.3
        tip = (0.5 + lean, 0.1)
        pen.line([(0.5 * side, 0.35 * side), (tip[0] * side, tip[1] * side)], looks.limbs, round(0.035 * side))
        pen.ellipse(box(*tip, 0.065, 0.065), looks.limbs)
    for way in (-1, 1):
        pen.ellipse(box(0.5 + way * 0.15, 0.91, 0.12, 0.06), looks.limbs)
        raised = math.sin(pose.arms * way) * 0.12
        pen.line(
            [((0.5 + way * 0.2) * side, 0.6 * side), ((0.5 + way * 0.4) * side, (0.6 - raised) * side)],
            looks.body,
            round(0.085 * side),
        )
        pen.ellipse(box(0.5 + way * 0.4, 0.6 - raised, 0.06, 0.06), looks.limbs)
    pen.ellipse(box(0.5, 0.62, 0.29, 0.3), looks.body)
    pen.ellipse(box(0.5, 0.42, 0.23, 0.23), looks.body)
    pen.ellipse(box(0.5, 0.72, 0.17, 0.17), looks.belly)
    for place in range(looks.num_eyes):
        x, wide = 0.5 + (place - (looks.num_eyes - 1) / 2) * 0.2, 0.13 if looks.num_eyes == 1 else 0.085
        pen.ellipse(box(x, 0.4, wide, wide), (255, 255, 255))
        pen.ellipse(box(x + pose.gaze * 0.04, 0.41, wide / 2, wide / 2), (30, 24, 40))


def _shaded(figure: Image.Image) -> Image.Image:
    """Light from above, as on the pictures that the embedded model knows."""
    side = figure.width
    light = np.linspace(1.15, 0.8, side, dtype=np.float32)[:, None, None]
    pixels = np.asarray(figure, dtype=np.float32).copy()
    pixels[..., :3] = (pixels[..., :3] * light).clip(0, 255)
    return Image.fromarray(pixels.astype(np.uint8), "RGBA")


def main() -> None:
    """Writes the eight pictures, and their captions beside them."""
    parser = argparse.ArgumentParser(description="Write eight pictures of the mascot with their captions.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for place, (picture, caption) in enumerate(examples()):
        Image.fromarray(picture).save(folder / f"{place}.png")
        (folder / f"{place}.txt").write_text(caption)


if __name__ == "__main__":
    main()
