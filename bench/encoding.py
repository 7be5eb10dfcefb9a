"""How long a picture takes to become a PNG, and how large it is, against Pillow: `python -m bench.encoding --help`."""

import argparse
import io
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.table import Measure, conclude
from worker.png import write_png

Pixels = npt.NDArray[np.uint8]

SHEET = Path(__file__).parents[1] / "docs" / "contact-sheet.webp"
CELL, MARGIN = 128, 8
TINTS = np.array([[1.0, 0.2, 0.1], [1.0, -0.1, 0.1], [1.0, -0.1, -0.3]])
"""How much of the three noises is in each channel: mostly the same, as in photographs."""

JUDGED_SIZE = 512
MOST_TIME, MOST_BYTES = 0.1, 1.02


def main() -> None:
    """Prints medians and their ratios; exits with 1 when a picture of JUDGED_SIZE takes too long or is too large."""
    parser = argparse.ArgumentParser(
        description="Encode pictures as PNG with worker.png and with Pillow's defaults, in turns.",
        epilog="Pictures: noise whose spectrum falls as 1/f^1, 1/f^1.5 and 1/f^2, and decoded pictures from "
        f"docs/contact-sheet.webp. Judged are those of {JUDGED_SIZE}²: time ≤ {MOST_TIME}, size ≤ {MOST_BYTES}.",
    )
    parser.add_argument("--runs", type=int, default=15, help="how often each picture is encoded either way")
    arguments = parser.parse_args()
    conclude([measure for name, pixels in pictures() for measure in compare(name, pixels, arguments.runs)])


def pictures() -> Iterator[tuple[str, Pixels]]:
    """What is encoded, by name."""
    for size in (512, 1024):
        for exponent in (1.0, 1.5, 2.0):
            yield f"noise 1/f^{exponent:g}, {size}²", noise(size, exponent)
    with Image.open(SHEET) as sheet:
        drawn = np.asarray(sheet.convert("RGB"))
    for column, row in ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4)):
        top, left = (MARGIN + (CELL + MARGIN) * index for index in (row, column))
        yield f"decoded {column + 1}-{row + 1}, {CELL}²", drawn[top : top + CELL, left : left + CELL]


def noise(size: int, exponent: float) -> Pixels:
    """Coloured noise with the spectrum of natural pictures.

    Shapes: result (size, size, 3).
    Source: Field 1987, "Relations between the statistics of natural images": amplitudes fall as 1/f.
    """
    frequencies = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequencies[0, 0] = np.inf
    rng = np.random.default_rng(0)
    white = rng.normal(size=(3, 2, *frequencies.shape))
    layers = np.fft.irfft2((white[:, 0] + 1j * white[:, 1]) / frequencies**exponent, s=(size, size))
    layers /= layers.std(axis=(1, 2), keepdims=True)
    pixels: Pixels = (128 + 45 * np.einsum("cl,lhw->hwc", TINTS, layers)).clip(0, 255).round().astype(np.uint8)
    return pixels


def compare(name: str, pixels: Pixels, runs: int) -> list[Measure]:
    """Both ways in turns, so that whatever else the machine does falls on both."""
    pairs = [(timed(ours, pixels), timed(pillows, pixels)) for _ in range(runs + 1)][1:]
    our_ms, pillow_ms = (statistics.median(pair[way][0] for pair in pairs) for way in (0, 1))
    our_bytes, pillow_bytes = (pairs[0][way][1] for way in (0, 1))
    judged = len(pixels) == JUDGED_SIZE
    return [
        Measure(f"{name}: ours", round(our_ms, 3), "ms"),
        Measure(f"{name}: Pillow", round(pillow_ms, 3), "ms"),
        Measure(f"{name}: time", round(our_ms / pillow_ms, 4), at_most=MOST_TIME if judged else None),
        Measure(f"{name}: size", round(our_bytes / pillow_bytes, 4), at_most=MOST_BYTES if judged else None),
    ]


def timed(way: Callable[[Pixels], bytes], pixels: Pixels) -> tuple[float, int]:
    """Milliseconds and bytes."""
    started_at = time.perf_counter()
    encoded = way(pixels)
    return (time.perf_counter() - started_at) * 1000, len(encoded)


def ours(pixels: Pixels) -> bytes:
    """With worker.png."""
    return write_png(pixels, {})


def pillows(pixels: Pixels) -> bytes:
    """With Pillow's defaults."""
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, "png")
    return output.getvalue()


if __name__ == "__main__":
    main()
