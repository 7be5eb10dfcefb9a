"""Our PNG files are PNG files: every reader sees each pixel and each text."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from worker.png import Bytes, fastest_pack, pack_with_isal, pack_with_zlib, predicted, write_png

SIZES = [(1, 1), (1, 7), (7, 1), (3, 5), (64, 64), (127, 61), (130, 200), (511, 33)]


def random(height: int, width: int) -> Bytes:
    drawn: Bytes = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return drawn


def flat(height: int, width: int) -> Bytes:
    return np.full((height, width, 3), (200, 7, 255), dtype=np.uint8)


def gradient(height: int, width: int) -> Bytes:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns * 3, rows + columns], axis=-1).astype(np.uint8)


def bumps(height: int, width: int) -> Bytes:
    """Smooth with hard edges, so that neighbouring bands want different predictors."""
    rows, columns = np.mgrid[:height, :width]
    waves = 127 * np.sin(rows / 9) * np.sin(columns / 5) + 60 * (rows // 20 % 2)
    return np.stack([waves, -waves, waves / 2], axis=-1).astype(np.int32).astype(np.uint8)


def read(encoded: bytes) -> Bytes:
    with Image.open(io.BytesIO(encoded)) as picture:
        assert picture.mode == "RGB"
        return np.asarray(picture)


def chunks(encoded: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Name, content and checksum of each chunk."""
    at = 8
    while at < len(encoded):
        (length,) = struct.unpack_from(">I", encoded, at)
        name, content = encoded[at + 4 : at + 8], encoded[at + 8 : at + 8 + length]
        yield name, content, struct.unpack_from(">I", encoded, at + 8 + length)[0]
        at += 12 + length


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("draw", [random, flat, gradient, bumps])
@pytest.mark.parametrize("pack", [fastest_pack(), pack_with_zlib])
def test_every_pixel_comes_back(draw, size, pack) -> None:  # type: ignore[no-untyped-def]
    pixels = draw(*size)
    assert np.array_equal(read(write_png(pixels, {}, pack)), pixels)


@pytest.mark.parametrize("turned", ["transposed", "flipped", "every_second", "read_only"])
def test_pixels_may_lie_in_memory_in_any_way(turned: str) -> None:
    pixels = bumps(64, 90)
    pixels.flags.writeable = False
    views = {
        "transposed": pixels.transpose(1, 0, 2),
        "flipped": pixels[::-1, ::-1, ::-1],
        "every_second": pixels[::2, 1::2],
        "read_only": pixels,
    }
    assert np.array_equal(read(write_png(views[turned], {})), views[turned])


def test_every_predictor_has_its_day() -> None:
    rows, columns = np.mgrid[:256, :64]
    noise = np.random.default_rng(0).integers(0, 256, (256, 64))
    across, down = noise[:, :1] + columns, noise[:1] + rows
    smooth = noise // 32 + rows + columns
    saddle = np.where((rows // 8 + columns // 8) % 2, rows, columns) * 3
    stripes = np.concatenate([across[:64], down[:64], smooth[:64], saddle[:64]])
    pixels = np.repeat(stripes[..., None], 3, axis=2).astype(np.uint8)
    assert set(predicted(pixels)[:, 0]) == {1, 2, 3, 4}
    assert np.array_equal(read(write_png(pixels, {})), pixels)


def test_checksums_and_the_order_of_chunks_are_right() -> None:
    encoded = write_png(bumps(20, 30), {"one": "1", "two": "²"})
    found = list(chunks(encoded))
    assert [name for name, _, _ in found] == [b"IHDR", b"iTXt", b"iTXt", b"IDAT", b"IEND"]
    assert all(zlib.crc32(name + content) == checksum for name, content, checksum in found)
    assert found[1][1] == b"one\0\0\0\0\x001"


def test_the_packed_rows_are_a_zlib_stream_with_its_checksum() -> None:
    rows = predicted(bumps(70, 50))
    for pack in (fastest_pack(), pack_with_zlib):
        assert zlib.decompress(b"".join(pack(rows))) == rows.tobytes()


def test_texts_in_any_script_come_back() -> None:
    texts = {"safelight": '{"prompt":"赤いリンゴ, تفاحة, 🍎"}', "note": ""}
    with Image.open(io.BytesIO(write_png(flat(4, 4), texts))) as picture:
        assert picture.info == texts


def test_the_same_pixels_are_the_same_bytes() -> None:
    assert write_png(bumps(65, 40), {"a": "b"}) == write_png(bumps(65, 40).copy(order="F"), {"a": "b"})


def test_a_drawing_whose_rows_repeat_is_small() -> None:
    pytest.importorskip("isal")
    pixels = np.tile(random(1, 96), (400, 1, 1))
    assert sum(map(len, pack_with_isal(predicted(pixels)))) < pixels.size // 50
