"""Small pictures in files, whole and broken, and what is inside such files."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image


def gradient(width: int = 24, height: int = 16) -> Image.Image:
    """A picture that looks different from every side."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([x * 255 // width, y * 255 // height, (x * y) % 256], axis=-1).astype(np.uint8))


def encoded(picture: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    """The picture as a file."""
    output = BytesIO()
    picture.save(output, image_format, **options)
    return output.getvalue()


def opened(content: bytes) -> Image.Image:
    """The picture in a PNG."""
    picture = Image.open(BytesIO(content), formats=["PNG"])
    picture.load()
    return picture


def pixels_of(content: bytes) -> tuple[int, int, bytes]:
    """Width, height and the pixels of a file, as readers get them."""
    with Image.open(BytesIO(content)) as picture:
        return *picture.size, picture.convert("RGB").tobytes()


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def chunks_of(png: bytes) -> list[bytes]:
    """The names of a PNG's chunks."""
    names, at = [], 8
    while at < len(png):
        names.append(png[at + 4 : at + 8])
        at += 12 + int.from_bytes(png[at : at + 4])
    return names


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *between: bytes) -> bytes:
    """A PNG from its parts; `between` are chunks before the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(between) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def one_bit_bomb(side: int = 9000) -> bytes:
    """Some ten kilobytes that are 81 million pixels."""
    return png(side, side, 1, 0, zlib.compress(bytes((side + 7) // 8 + 1) * side, 9))
