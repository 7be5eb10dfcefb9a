"""What a picture says before it is decoded: whether it is one that we take, its size, and whether its end is there."""

import re
from typing import NamedTuple

from contract.errors import DamagedFile, UnsupportedFile

PNG, JPEG, RIFF, WEBP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"WEBP"

START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
MAX_SEGMENTS = 1000

_MARKER = re.compile(rb"\xff+([^\xff\x00])")


START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
LAST_CHUNK = b"IEND\xae\x42\x60\x82"


class Size(NamedTuple):
    """Units: pixels."""

    width: int
    height: int


def is_picture(content: bytes) -> bool:
    """Whether the bytes begin as a PNG, JPEG or WebP does."""
    return content.startswith((PNG, JPEG)) or (content.startswith(RIFF) and content[8:12] == WEBP)


def declared_size(content: bytes) -> Size:
    """The size that the header of a picture says. Raises: DamagedFile, UnsupportedFile."""
    if content.startswith(PNG):
        size = _png_size(content)
    elif content.startswith(JPEG):
        size = _jpeg_size(content)
    else:
        size = _webp_size(content)
    if min(size) < 1:
        raise DamagedFile("The picture says that it has no pixels.")
    return size


def check_end(content: bytes) -> None:
    """Raises DamagedFile when the picture's end is missing: decoders fill in what they think is there.

    For WebP there is nothing to do here, because its decoder insists on the length that its header says.
    """
    if content.startswith(PNG):
        ended = LAST_CHUNK in content
    elif content.startswith(JPEG):
        ended = content.find(END_OF_IMAGE, content.rfind(START_OF_SCAN)) >= 0
    else:
        ended = True
    if not ended:
        raise DamagedFile("The picture is cut off.")


def _png_size(content: bytes) -> Size:
    """Source: PNG (Third Edition), section 11.2.1: IHDR is the first chunk."""
    if content[12:16] != b"IHDR" or len(content) < 24:
        raise DamagedFile("The PNG does not begin with its header.")
    return Size(int.from_bytes(content[16:20]), int.from_bytes(content[20:24]))


def _jpeg_size(content: bytes) -> Size:
    """Source: ITU-T T.81, annex B.2: segments up to the first frame header."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.match(content, at)
        if marker is None:
            break
        at = marker.end()
        code = marker[1][0]
        if code in START_OF_FRAME and len(content) >= at + 7:
            return Size(int.from_bytes(content[at + 5 : at + 7]), int.from_bytes(content[at + 3 : at + 5]))
        if code not in WITHOUT_LENGTH:
            at += max(2, int.from_bytes(content[at : at + 2]))
    raise DamagedFile("The JPEG has no frame header.")


def _webp_size(content: bytes) -> Size:
    """Source: RFC 9649, sections 2.5 to 2.7 and 3.4."""
    if len(content) < 30:
        raise DamagedFile("The WebP is cut off in its header.")
    match content[12:16]:
        case b"VP8X":
            return Size(int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1)
        case b"VP8L":
            bits = int.from_bytes(content[21:25], "little")
            return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8 ":
            width, height = (int.from_bytes(content[at : at + 2], "little") for at in (26, 28))
            return Size(width & 0x3FFF, height & 0x3FFF)
    raise UnsupportedFile("The WebP is of a kind that is not known.")
