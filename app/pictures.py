"""Pictures from outside: judged before they are decoded, and kept as PNGs that have pixels and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import NamedTuple

from PIL import Image, ImageChops, ImageOps

from app.picture_headers import JPEG, START_OF_SCAN, Size, check_end, declared_size
from contract.errors import DamagedFile, LimitExceeded, SafelightError, UnsupportedFile
from contract.file_content import FileContent

FORMATS = ("PNG", "JPEG", "WEBP")
SIXTEEN_BITS = "I;16"
"""Pillow's name for grey pictures of 16 bits; it reads all others in 8."""

MAX_SCANS = 100
"""A progressive JPEG decodes all of its pixels once a scan; photographs have some ten scans."""

COMPRESS_LEVEL = 1
"""zlib's fastest: what is stored is soon read again."""


class Limits(NamedTuple):
    """The most bytes of a picture, pixels along a side, and pixels."""

    max_image_bytes: int
    max_image_side: int
    max_image_pixels: int


def check_picture(content: bytes, limits: Limits) -> FileContent:
    """The picture as it is kept: upright, in 8 bits, grey or RGB, with its alpha if it has any.

    Metadata are dropped, and colour profiles with them, unapplied.
    Raises: UnsupportedFile, DamagedFile, LimitExceeded.
    """
    return kept(_upright(content, limits))


def check_lesson(content: bytes, limits: Limits) -> FileContent:
    """The picture as models learn from it: the same in RGB, on white where it can be looked through.

    Raises: as check_picture.
    """
    upright = _upright(content, limits)
    if upright.mode == "RGBA":
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    return kept(upright.convert("RGB"))


def _upright(content: bytes, limits: Limits) -> Image.Image:
    with judged(content, limits) as picture:
        ImageOps.exif_transpose(picture, in_place=True)
        return _in_eight_bits(picture)


@contextmanager
def judged(content: bytes, limits: Limits) -> Iterator[Image.Image]:
    """The picture in a file, not decoded yet, once what it says of itself is within the limits.

    Raises: UnsupportedFile, DamagedFile, LimitExceeded.
    """
    check_num_bytes(content, limits.max_image_bytes)
    _check_size(declared_size(content), limits)
    check_end(content)
    if content.startswith(JPEG) and content.count(START_OF_SCAN) > MAX_SCANS:
        raise UnsupportedFile(f"The JPEG has more than {MAX_SCANS} scans.")
    with _damaged_when_unreadable(), Image.open(BytesIO(content), formats=FORMATS) as picture:
        _check_size(Size(*picture.size), limits)
        _check_frames(picture)
        yield picture


def kept(picture: Image.Image) -> FileContent:
    """A picture of 8 bits in the form in which pictures are kept."""
    picture.info = {}
    output = BytesIO()
    picture.save(output, "PNG", compress_level=COMPRESS_LEVEL)
    return FileContent("image", "image/png", output.getvalue(), *picture.size, *_tones(picture))


def check_num_bytes(content: bytes, max_bytes: int) -> None:
    """Raises: LimitExceeded."""
    if len(content) > max_bytes:
        raise LimitExceeded(f"The file has {len(content)} bytes, and {max_bytes} are allowed.")


def _check_size(size: Size, limits: Limits) -> None:
    if max(size) > limits.max_image_side or size.width * size.height > limits.max_image_pixels:
        raise LimitExceeded(
            f"The picture has {size.width} × {size.height} pixels; at most {limits.max_image_side} a side and "
            f"{limits.max_image_pixels} in all are allowed."
        )


def _check_frames(picture: Image.Image) -> None:
    """A JPEG may have pictures behind the first (MPO: depth, gain maps); they are no animation."""
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) != 1:
        raise UnsupportedFile("The picture is animated; send one frame.")


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    if picture.mode == SIXTEEN_BITS:
        return Image.frombytes("L", picture.size, picture.tobytes("raw", "I;16B")[::2])
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _tones(picture: Image.Image) -> tuple[int, int]:
    """The darkest and the brightest tone, where what is transparent counts as black."""
    grey = picture.convert("L")
    if picture.mode == "RGBA":
        grey = ImageChops.multiply(grey, picture.getchannel("A"))
    used = [tone for tone, number in enumerate(grey.histogram()) if number]
    return used[0], used[-1]


@contextmanager
def _damaged_when_unreadable() -> Iterator[None]:
    try:
        yield
    except (SafelightError, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise whatever the bytes lead them to.
        raise DamagedFile("The picture is cut off, or its bytes contradict each other.") from error
