"""Pictures for the documentation, steered by the whole service: `python -m bench.steering_pictures --help`."""

import argparse
import base64
import json
import urllib.request
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from bench.saturation import served

GAP = 8
QUALITY = 75

DIFFERENT = 90
"""This far apart, over three channels of 0 to 255, colours are not the same thing."""


def guidance(address: str) -> list[Image.Image]:
    """One seed under five kinds of guidance, after none at all."""
    kinds: list[Any] = [
        {"kind": "classifier_free", "scale": 1},
        {"kind": "classifier_free", "scale": 5},
        {"kind": "cfg_pp", "scale": 0.6},
        {"kind": "adaptive_projected", "scale": 8},
        {"kind": "perturbed_attention", "scale": 2},
    ]
    towards = {"kind": "classifier", "classifier": "emoji-groups", "label": "animals", "scale": 8}
    return [
        *(drawn(address, prompt="a fox", seed=7, guidance=kind) for kind in kinds),
        drawn(address, prompt="", seed=7, guidance=towards),
    ]


def hat(address: str) -> list[Image.Image]:
    """An emoji with its hat removed."""
    picture = drawn(address, prompt="a top hat above a smiley", seed=3)
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).rectangle((26, 0, 102, 63), fill=255)
    return [picture, mask, drawn(address, image=picture, mask=mask, remove=True, seed=3)]


def wider(address: str) -> list[Image.Image]:
    """A scene expanded to the right."""
    picture = drawn(address, prompt="a castle", seed=1)
    asked = {"expand": {"right": 64}, "inpaint_method": "fast", "prompt": "a castle to the left of a tree", "seed": 2}
    return [picture, drawn(address, image=picture, **asked)]


def fox(address: str) -> list[Image.Image]:
    """A puppy repainted as a fox, and where not a byte differs."""
    picture = drawn(address, prompt="a dog on a green background", seed=1)
    mask = silhouette(picture)
    ImageDraw.Draw(mask).ellipse((4, 2, 123, 124), fill=255)
    result = drawn(address, image=picture, mask=mask, prompt="a fox on a green background", seed=1)
    outside = np.asarray(mask) == 0
    if not np.array_equal(np.asarray(result)[outside], np.asarray(picture)[outside]):
        raise RuntimeError("Pixels outside of the mask have changed.")
    return [picture, mask, result]


def silhouette(picture: Image.Image) -> Image.Image:
    """White where a picture is not as its corner is, and a little around."""
    pixels = np.asarray(picture).astype(int)
    differs = np.abs(pixels - pixels[3, 3]).sum(axis=2) > DIFFERENT
    white = Image.fromarray(differs.astype(np.uint8) * 255)
    return white.filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.MaxFilter(9))


def variations(address: str) -> list[Image.Image]:
    """Ever further from a picture."""
    picture = drawn(address, prompt="a snowman on a blue background", seed=2)
    return [picture, *(drawn(address, image=picture, variation=how_far, seed=1) for how_far in (0.1, 0.4))]


def drawn(address: str, **asked: Any) -> Image.Image:
    """The picture of a request. Raises: RuntimeError when there is none."""
    named = {name: data_uri(value) if isinstance(value, Image.Image) else value for name, value in asked.items()}
    headers = {"content-type": "application/json", "prefer": "wait=60"}
    request = urllib.request.Request(f"{address}/v1/generations", json.dumps(named).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        job = json.load(answer)
    if job["status"] != "succeeded":
        raise RuntimeError(f"the job is {job['status']}: {job['error']}")
    with urllib.request.urlopen(job["images"][0]["url"]) as picture:
        return Image.open(BytesIO(picture.read())).convert("RGB")


def data_uri(picture: Image.Image) -> str:
    """A picture inside a request."""
    output = BytesIO()
    picture.save(output, "png")
    return f"data:image/png;base64,{base64.b64encode(output.getvalue()).decode()}"


def save(pictures: list[Image.Image], file: Path) -> None:
    """Pictures beside each other, twice as large."""
    width = sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1)
    strip = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        strip.paste(picture.convert("RGB"), (left, 0))
        left += picture.width + GAP
    strip.resize((2 * strip.width, 2 * strip.height), Image.Resampling.BICUBIC).save(file, quality=QUALITY, method=6)


STRIPS: Mapping[str, Callable[[str], list[Image.Image]]] = MappingProxyType(
    {"guidance": guidance, "remove": hat, "expand": wider, "inpaint": fox, "variations": variations}
)


def main() -> None:
    """Writes a strip of pictures for each way to steer."""
    parser = argparse.ArgumentParser(description="Start the service, have it make and edit pictures, and keep strips.")
    parser.add_argument("--out", type=Path, required=True, help="the folder for the strips")
    parser.add_argument("--only", choices=sorted(STRIPS), action="append", help="a strip; all, if none is named")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with served() as address:
        for name in arguments.only or STRIPS:
            save(STRIPS[name](address), arguments.out / f"{name}.webp")


if __name__ == "__main__":
    main()
