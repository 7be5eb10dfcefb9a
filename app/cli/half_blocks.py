"""Pictures in a terminal: two pixels a character, the upper half in its colour, the lower in that behind it."""

from collections.abc import Iterator, Sequence

from PIL import Image
from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style

MOST_COLUMNS = 48


def half_blocks(pictures: Sequence[Image.Image], columns: int) -> Segments:
    """Pictures of one size side by side, in at most so many columns."""
    width = max(1, min(MOST_COLUMNS, columns // len(pictures) - 1))
    height = 2 * max(1, round(pictures[0].height * width / pictures[0].width / 2))
    sheet = Image.new("RGB", ((width + 1) * len(pictures) - 1, height))
    for place, picture in enumerate(pictures):
        sheet.paste(picture.resize((width, height), Image.Resampling.BOX), ((width + 1) * place, 0))
    return Segments(_segments(sheet))


def _segments(sheet: Image.Image) -> Iterator[Segment]:
    pixels = sheet.tobytes()
    for row in range(0, sheet.height, 2):
        for column in range(sheet.width):
            upper, lower = (pixels[3 * (at * sheet.width + column) :][:3] for at in (row, row + 1))
            yield Segment("▀", Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))
        yield Segment.line()
