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

_WIDTH, _CAPTION = 1096, 36
_PROMPTS = Path(__file__).with_name("contact_sheet.txt")


def contact_sheet(editions: Sequence[Sequence[Image.Image]], prompts: Sequence[str], cell: int) -> Image.Image:
    """One picture of all pictures, `cell` pixels wide, prompts beneath; those of several editions side by side."""
    width, height = len(editions) * (cell + 1) + 7, cell + _CAPTION + 6
    columns, letters = _WIDTH // width, width // 6
    sheet = Image.new("RGB", (columns * width + 8, -(-len(prompts) // columns) * height + 8), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for position, prompt in enumerate(prompts):
        left, top = 8 + position % columns * width, 8 + position // columns * height
        for edition, images in enumerate(editions):
            image = images[position].resize((cell, cell), Image.Resampling.LANCZOS)
            sheet.paste(image, (left + edition * (cell + 1), top))
        draw.rectangle((left - 1, top - 1, left + width - 7, top + cell), outline=(225, 225, 225))
        text = textwrap.fill(prompt, letters)
        draw.multiline_text((left, top + cell + 2), text, fill="black", font=font, spacing=1)
    return sheet


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draw one picture for each line of a prompt file; seed = line index.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, default=_PROMPTS)
    parser.add_argument("--beside", type=Path, default=None, help="the folder of an earlier edition, drawn to the left")
    parser.add_argument("--cell", type=int, default=128, help="pixels of a picture's side on the sheet")
    parser.add_argument("--output", type=Path, default=Path("docs/contact-sheet.webp"))
    parser.add_argument("--guidance-scale", type=float, default=None)
    parser.add_argument("--num-inference-steps", type=int, default=None)
    arguments = parser.parse_args()
    configuration = read_configuration(arguments.config)
    torch.set_num_threads(configuration.num_threads)
    prompts = arguments.prompts.read_text(encoding="utf-8").splitlines()
    scale = arguments.guidance_scale or configuration.default_guidance_scale
    steps = arguments.num_inference_steps or configuration.default_num_inference_steps
    folders = [folder for folder in (arguments.beside, configuration.model_folder) if folder is not None]
    painters = [load_painter(configuration, folder) for folder in folders]
    editions = [painter.draw(prompts, range(len(prompts)), scale, steps) for painter in painters]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(editions, prompts, arguments.cell).save(arguments.output, quality=45, method=6)


if __name__ == "__main__":
    main()
