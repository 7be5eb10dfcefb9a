"""This file knows how the contact sheet is laid out: each picture above its prompt."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from training.configuration import read_configuration
from training.sampling import load_painter

_COLUMNS, _CELL, _CAPTION = 8, 128, 36
_PROMPTS = Path(__file__).with_name("contact_sheet.txt")


def contact_sheet(images: Sequence[Image.Image], prompts: Sequence[str], columns: int = _COLUMNS) -> Image.Image:
    """One picture of all pictures, prompts beneath."""
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (_CELL + 8) + 8, rows * (_CELL + _CAPTION + 8) + 8), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for position, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
        left, top = 8 + position % columns * (_CELL + 8), 8 + position // columns * (_CELL + _CAPTION + 8)
        sheet.paste(image, (left, top))
        draw.rectangle((left - 1, top - 1, left + _CELL, top + _CELL), outline=(225, 225, 225))
        draw.multiline_text((left, top + _CELL + 3), textwrap.fill(prompt, 22), fill="black", font=font, spacing=1)
    return sheet


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draw one picture for each line of a prompt file; seed = line index.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, default=_PROMPTS)
    parser.add_argument("--output", type=Path, default=Path("docs/contact-sheet.webp"))
    parser.add_argument("--guidance-scale", type=float, default=None)
    parser.add_argument("--num-inference-steps", type=int, default=None)
    arguments = parser.parse_args()
    configuration = read_configuration(arguments.config)
    torch.set_num_threads(configuration.num_threads)
    prompts = arguments.prompts.read_text(encoding="utf-8").splitlines()
    guidance_scale = arguments.guidance_scale or configuration.default_guidance_scale
    steps = arguments.num_inference_steps or configuration.default_num_inference_steps
    images = load_painter(configuration).draw(prompts, range(len(prompts)), guidance_scale, steps)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(images, prompts).save(arguments.output, quality=55, method=6)


if __name__ == "__main__":
    main()
