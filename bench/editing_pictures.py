"""Pictures for the documentation, edited by the whole service: `python -m bench.editing_pictures --help`."""

import argparse
import base64
import json
import re
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from bench.installation import end, start, until

GAP = 8


def main() -> None:
    """Writes one strip of pictures for each kind of edit."""
    parser = argparse.ArgumentParser(
        description="Start the service, have it edit pictures of its own, and keep strips."
    )
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with service() as address:
        for name, strip in {"remove": hat, "expand": wider, "inpaint": fox, "variations": variations}.items():
            save(strip(address), arguments.out / f"{name}.png")


@contextmanager
def service() -> Iterator[str]:
    """The address of a service of our own."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        log = Path(folder) / "log.txt"
        launcher = start([sys.executable, "-m", "launch"], {"SAFELIGHT_HOME": folder, "SAFELIGHT_PORT": "0"}, log)
        try:
            yield until(lambda: re.search(r"is ready at (http://\S+)", log.read_text()))[1]
        finally:
            end(launcher)


def hat(address: str) -> list[Image.Image]:
    """An emoji with its hat removed."""
    picture = drawn(address, prompt="a snowman on a blue background", seed=2)
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).ellipse((30, 0, 70, 40), fill=255)
    return [picture, mask, drawn(address, image=picture, mask=mask, remove=True, seed=2)]


def wider(address: str) -> list[Image.Image]:
    """A scene expanded to the right."""
    picture = drawn(address, prompt="a castle", seed=1)
    asked = {"expand": {"right": 64}, "inpaint_method": "fast", "prompt": "a castle to the left of a tree", "seed": 2}
    return [picture, drawn(address, image=picture, **asked)]


def fox(address: str) -> list[Image.Image]:
    """A puppy repainted as a fox, and where not a byte differs."""
    picture = drawn(address, prompt="a dog on a green background", seed=1)
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).rectangle((4, 4, 123, 123), fill=255)
    result = drawn(address, image=picture, mask=mask, prompt="a fox on a green background", seed=1)
    outside = np.asarray(mask) == 0
    if not np.array_equal(np.asarray(result)[outside], np.asarray(picture)[outside]):
        raise RuntimeError("Pixels outside of the mask have changed.")
    return [picture, mask, result]


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
    strip.resize((2 * strip.width, 2 * strip.height), Image.Resampling.BICUBIC).save(file, optimize=True)


if __name__ == "__main__":
    main()
