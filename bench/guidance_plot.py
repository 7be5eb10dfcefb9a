"""The guidance benchmark as a picture: accuracy and distance against scale, and one against the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib import pyplot

from bench.plot import keep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.guidance import Point

FIELDS = {"accuracy": "share of pictures of the group asked for", "distance": "KID against real renders"}


def draw(points: Sequence["Point"], file: Path) -> None:
    """Three panels; a kind has one colour in all of them."""
    figure, panels = pyplot.subplots(1, 3, figsize=(13.5, 4.0), layout="constrained")
    kinds = list(dict.fromkeys(point.kind for point in points))
    for number, kind in enumerate(kinds):
        own = [point for point in points if point.kind == kind]
        for panel, field in zip(panels, FIELDS, strict=False):
            _against_scale(panel, own, field, f"C{number}")
        accuracies, distances = ([getattr(point, field) for point in own] for field in FIELDS)
        panels[2].plot(distances, accuracies, color=f"C{number}", marker="o", markersize=4, label=kind)
    for panel, title in zip(panels, FIELDS.values(), strict=False):
        panel.set(xscale="log", xlabel="scale", title=title)
    panels[2].set(xlabel=FIELDS["distance"], title=FIELDS["accuracy"])
    panels[2].legend(frameon=False, fontsize=8)
    keep(figure, file)
    pyplot.close(figure)


def _against_scale(panel: "Axes", own: Sequence["Point"], field: str, colour: str) -> None:
    values = [getattr(point, field) for point in own]
    if len(own) == 1:
        panel.axhline(values[0], color=colour, linestyle="--", linewidth=1)
        return
    errors = [point.distance_error for point in own] if field == "distance" else None
    panel.errorbar([point.scale for point in own], values, errors, color=colour, marker="o", markersize=4)
