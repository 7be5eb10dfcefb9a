"""Files that are not what they should be: each a typed error that names the field, and memory stays where it was."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from app.pictures import MAX_SCANS, check_picture
from app.settings import AppSettings
from contract.errors import SafelightError
from tests.app.conftest import Api, assert_error, client_of
from tests.pictures import chunk, encoded, gradient, one_bit_bomb, png

PICTURE = gradient()
ROWS = zlib.compress(bytes(4) * 3)


def frames(image_format: str) -> bytes:
    return encoded(PICTURE, image_format, save_all=True, append_images=[PICTURE.rotate(180)], duration=50)


def text_bomb(name: bytes, before: bytes) -> bytes:
    """A PNG with a text that unpacks to 50 MB."""
    return png(3, 3, 8, 0, ROWS, chunk(name, before + zlib.compress(bytes(50_000_000), 9)))


def scan_bomb() -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    whole = encoded(PICTURE.convert("L"), "JPEG", progressive=True)
    last = whole[whole.rfind(b"\xff\xda") : -2]
    return whole[:-2] + last * MAX_SCANS + whole[-2:]


def webp_header(kind: bytes, after: bytes) -> bytes:
    body = b"WEBP" + kind + struct.pack("<I", len(after)) + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


WHOLE_PNG, WHOLE_JPEG, WHOLE_WEBP = (encoded(PICTURE, image_format) for image_format in ("PNG", "JPEG", "WEBP"))

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "unsupported_file"),
    "text": (b"a red apple", "unsupported_file"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported_file"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unsupported_file"),
    "gif": (encoded(PICTURE, "GIF"), "unsupported_file"),
    "tiff": (encoded(PICTURE, "TIFF"), "unsupported_file"),
    "pickle": (b"\x80\x04\x95\x00\x00\x00\x00", "unsupported_file"),
    "animated webp": (frames("WEBP"), "unsupported_file"),
    "animated png": (frames("PNG"), "unsupported_file"),
    "scan bomb": (scan_bomb(), "unsupported_file"),
    "one bit bomb": (one_bit_bomb(), "limit_exceeded"),
    "huge png": (png(2**31 - 1, 2**31 - 1, 8, 6, ROWS), "limit_exceeded"),
    "long png": (png(4097, 1, 8, 0, ROWS), "limit_exceeded"),
    "huge jpeg": (WHOLE_JPEG.replace(b"\x00\x10\x00\x18\x03", b"\xff\xff\xff\xff\x03"), "limit_exceeded"),
    "huge webp": (webp_header(b"VP8X", bytes(4) + b"\xff" * 6), "limit_exceeded"),
    "huge lossless webp": (webp_header(b"VP8L", b"\x2f" + b"\xff" * 9), "limit_exceeded"),
    "text bomb": (text_bomb(b"zTXt", b"Comment\x00\x00"), "damaged_file"),
    "international text bomb": (text_bomb(b"iTXt", b"Comment\x00\x01\x00\x00\x00"), "damaged_file"),
    "profile bomb": (text_bomb(b"iCCP", b"Profile\x00\x00"), "damaged_file"),
    "no pixels": (png(0, 3, 8, 0, ROWS), "damaged_file"),
    "no rows": (png(3, 3, 8, 0, b""), "damaged_file"),
    "no depth": (png(3, 3, 3, 0, ROWS), "damaged_file"),
    "wrong checksum": (WHOLE_PNG.replace(b"IDAT", b"IDAT\x00", 1), "damaged_file"),
    "png only by name": (WHOLE_PNG[:8] + b"x" * 90, "damaged_file"),
    "jpeg only by name": (WHOLE_JPEG[:3] + b"x" * 90, "damaged_file"),
    "jpeg of padding": (b"\xff\xd8" + b"\xff" * 1_000_000, "damaged_file"),
    "jpeg of segments": (b"\xff\xd8" + b"\xff\xfe\x00\x02" * 200_000, "damaged_file"),
    "webp of a strange kind": (webp_header(b"VP9 ", bytes(30)), "unsupported_file"),
    "webp without a picture": (webp_header(b"VP8X", bytes(10)), "damaged_file"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_picture_is_named(client: httpx.AsyncClient, name: str) -> None:
    content, code = BAD[name]
    response = await client.post("/v1/files", files={"file": ("picture.png", content, "image/png")})
    assert_error(response, 422, code, "file")
    assert (await client.get("/v1/files")).json()["data"] == []


@pytest.mark.parametrize("whole", [WHOLE_PNG, WHOLE_JPEG, WHOLE_WEBP], ids=["png", "jpeg", "webp"])
def test_no_beginning_of_a_picture_is_one(settings: AppSettings, whole: bytes) -> None:
    assert check_picture(whole, settings).width == PICTURE.width
    for length in range(12, len(whole)):
        with pytest.raises(SafelightError):
            check_picture(whole[:length], settings)


def test_what_follows_the_end_of_a_picture_is_dropped(settings: AppSettings) -> None:
    for whole in (WHOLE_PNG, WHOLE_JPEG):
        assert check_picture(whole + b"\0" * 99, settings).content == check_picture(whole, settings).content


def test_the_pictures_behind_a_photograph_are_dropped(settings: AppSettings) -> None:
    photograph = encoded(PICTURE, "MPO", save_all=True, append_images=[PICTURE.rotate(180)])
    kept = Image.open(BytesIO(check_picture(photograph, settings).content))
    assert np.array_equal(np.asarray(kept), np.asarray(Image.open(BytesIO(WHOLE_JPEG))))


async def test_limits_are_the_operators(settings: AppSettings) -> None:
    tight = {"max_image_side": 24, "max_image_pixels": 24 * 16, "max_image_bytes": len(WHOLE_PNG)}
    async with client_of(settings.model_copy(update=tight)) as client:
        assert (await client.post("/v1/files", files={"file": WHOLE_PNG})).status_code == 201
    for name, value in tight.items():
        less = settings.model_copy(update=tight | {name: value - 1})
        async with client_of(less) as client:
            assert_error(await client.post("/v1/files", files={"file": WHOLE_PNG}), 422, "limit_exceeded", "file")


def peak_bytes(api: Api) -> int:
    """The most memory that the process has had."""
    status = Path(f"/proc/{api.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


async def test_no_bad_picture_takes_memory_of_a_real_server(api: Api) -> None:
    async with api.client() as client:
        assert (await client.post("/v1/files", files={"file": WHOLE_PNG})).status_code == 201
        before = peak_bytes(api)
        for name, (content, code) in BAD.items():
            response = await client.post("/v1/files", files={"file": content})
            assert response.json()["error"]["code"] == code, name
        assert peak_bytes(api) - before < 50e6
        assert (await client.post("/v1/files", files={"file": WHOLE_PNG})).status_code == 201


async def test_the_largest_picture_takes_less_than_300_megabytes(api: Api) -> None:
    async with api.client() as client:
        assert (await client.post("/v1/files", files={"file": WHOLE_PNG})).status_code == 201
        before = peak_bytes(api)
        largest = Image.new("RGBA", (4096, 4096), (1, 2, 3, 4))
        for content in (encoded(largest), encoded(largest.convert("CMYK"), "JPEG")):
            response = await client.post("/v1/files", files={"file": content})
            assert (response.status_code, response.json()["width"]) == (201, 4096)
        assert peak_bytes(api) - before < 300e6
