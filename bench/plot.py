"""The engine's benchmark as a picture: who waited how long, and what forwards take."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image

from bench.policies import Run
from worker.lane import Lane

mpl.use("agg")

from matplotlib import pyplot
from matplotlib.figure import Figure

NUM_SHADES = 24


def draw(runs: Mapping[str, Run], lane: Lane, file: Path) -> None:
    """The share of jobs that were done within a time, by policy and load; seconds of a row by the size of a forward."""
    loads = sorted({name.rpartition(" at ")[2] for name in runs})
    figure, panels = pyplot.subplots(1, len(loads) + 1, figsize=(4.2 * (len(loads) + 1), 3.4), layout="constrained")
    for panel, load in zip(panels, loads, strict=False):
        for name, run in runs.items():
            policy, _, at = name.rpartition(" at ")
            if at == load:
                waits = np.sort(run.latencies)
                panel.step(waits, np.arange(1, len(waits) + 1) / len(waits), where="post", label=policy)
        panel.axhline(0.95, color="grey", linewidth=0.6, linestyle=":")
        panel.set(title=f"{load} of what one at a time can bear", xlabel="seconds", ylabel="share of jobs done")
        panel.legend(frameon=False)
    assert lane.certificate is not None
    sizes = lane.certificate.buckets
    panels[-1].plot(sizes, [1000 * lane.pace.seconds_of(size) / size for size in sizes], marker="o")
    panels[-1].set(title="a row", xlabel="rows of a forward", ylabel="milliseconds", ylim=(0, None))
    keep(figure, file)


def keep(figure: Figure, file: Path) -> None:
    """Writes a figure as WebP, without loss but for shades: lines and letters need few of them."""
    drawn = BytesIO()
    figure.savefig(drawn, dpi=110)
    shades = Image.open(drawn).convert("RGB").quantize(NUM_SHADES, dither=Image.Dither.NONE)
    shades.convert("RGB").save(file, lossless=True, quality=100, method=6)
