"""This file knows how the loss curves are drawn from the checkpoints, without a plotting library."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from training.configuration import read_configuration

_WIDTH, _HEIGHT, _MARGIN = 380, 220, 30


def draw_curve(title: str, points: Sequence[tuple[int, float, float]]) -> Image.Image:
    """One panel: the smoothed loss against the samples seen."""
    panel = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw, font = ImageDraw.Draw(panel), ImageFont.load_default(size=11)
    most, top = max(point[0] for point in points), max(point[2] for point in points)
    inner_width, inner_height = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    line = [
        (_MARGIN + inner_width * seen / most, _MARGIN + inner_height * (1 - loss / top)) for seen, _, loss in points
    ]
    draw.rectangle((_MARGIN, _MARGIN, _WIDTH - _MARGIN, _HEIGHT - _MARGIN), outline=(200, 200, 200))
    draw.line(line, fill=(52, 110, 226), width=2)
    draw.text((_MARGIN, 8), f"{title}: 0 to {top:.2f}, last {points[-1][2]:.3f}", fill="black", font=font)
    draw.text((_MARGIN, _HEIGHT - 22), f"{most:,} samples", fill="black", font=font)
    return panel


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draw the loss curves of both networks.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("training/curves.png"))
    arguments = parser.parse_args()
    folder = read_configuration(arguments.config).work_folder
    titles = {"autoencoder": "autoencoder, mean absolute error", "denoiser": "U-Net, velocity loss"}
    sheet = Image.new("RGB", (_WIDTH * 2, _HEIGHT), "white")
    for column, (name, title) in enumerate(titles.items()):
        points = torch.load(folder / f"{name}.pt", weights_only=True)["curve"]
        sheet.paste(draw_curve(title, points), (column * _WIDTH, 0))
    sheet.quantize(32).save(arguments.output, optimize=True)


if __name__ == "__main__":
    main()
