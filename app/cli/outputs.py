"""Under which names pictures are saved, and that none is lost by it."""

import re
from io import BytesIO
from itertools import count
from pathlib import Path

from PIL import Image

from safelight.fields import OutputFormat
from safelight.pictures import numbered

FORMATS: dict[str, OutputFormat] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
LONGEST_NAME = 40


class UnusableOutput(ValueError):
    """The pictures cannot be saved where they should be."""


def format_of(output: Path) -> OutputFormat:
    """How a file of this name is encoded. Raises: UnusableOutput."""
    if output.suffix.lower() not in FORMATS:
        raise UnusableOutput(f"{output.name!r} does not end with {', '.join(FORMATS)}")
    return FORMATS[output.suffix.lower()]


def outputs(output: Path | None, prompt: str, num_images: int, *, force: bool) -> list[Path]:
    """A path for each picture. Raises: UnusableOutput, also where a file is that must not be replaced."""
    if output is None:
        return _free(prompt, num_images)
    if not output.parent.is_dir():
        raise UnusableOutput(f"there is no folder {str(output.parent)!r}")
    paths = numbered(output, num_images)
    taken = [str(path) for path in paths if path.exists()]
    if taken and not force:
        raise UnusableOutput(f"{', '.join(taken)} would be replaced; say --force to do so")
    return paths


def replace(path: Path, content: bytes) -> None:
    """Writes a file that is whole whenever somebody looks at it."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def replace_by_preview(path: Path, content: bytes) -> None:
    """The same for a picture that is encoded otherwise than the file's name says."""
    encoded = BytesIO()
    Image.open(BytesIO(content)).save(encoded, format_of(path))
    replace(path, encoded.getvalue())


def _free(prompt: str, num_images: int) -> list[Path]:
    """Names after the prompt that nothing has yet."""
    stem = re.sub(r"\W+", "-", prompt.lower())[:LONGEST_NAME].strip("-") or "picture"
    for number in count(1):
        paths = numbered(Path(f"{stem}-{number}.png" if number > 1 else f"{stem}.png"), num_images)
        if not any(path.exists() for path in paths):
            return paths
    raise AssertionError("There is no last number.")
