"""POST /v1/files and what follows: sent, kept as pixels only, read, listed, removed, expired."""

import hashlib
from datetime import datetime, timedelta

import httpx
import numpy as np
import pytest
from PIL import Image

from app.settings import AppSettings
from contract.files import EXPIRING, FileStore
from contract.store_connection import StoreConnection
from tests.app.conftest import Player, assert_error, client_of, submit
from tests.pictures import chunks_of, encoded, gradient, opened

PICTURE = gradient()


async def send(client: httpx.AsyncClient, content: bytes, name: str = "picture.png") -> httpx.Response:
    return await client.post("/v1/files", files={"file": (name, content)})


async def sent(client: httpx.AsyncClient, content: bytes) -> str:
    """The id of a new file."""
    response = await send(client, content)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def kept(client: httpx.AsyncClient, content: bytes) -> Image.Image:
    """What is kept of a file that is sent: a PNG of nothing but pixels."""
    response = await client.get(f"/v1/files/{await sent(client, content)}/content")
    assert set(chunks_of(response.content)) == {b"IHDR", b"IDAT", b"IEND"}
    return opened(response.content)


@pytest.fixture
def files(connection: StoreConnection, player: Player) -> FileStore:
    return FileStore(connection, player.artifacts)


async def test_a_picture_is_kept_and_described(client: httpx.AsyncClient) -> None:
    response = await send(client, encoded(PICTURE))
    file = response.json()
    assert response.headers["location"] == f"/v1/files/{file['id']}"
    assert (file["object"], file["kind"], file["media_type"]) == ("file", "image", "image/png")
    assert (file["width"], file["height"]) == PICTURE.size
    created, expires = (datetime.fromisoformat(file[name]) for name in ("created_at", "expires_at"))
    assert expires - created == timedelta(days=7)
    assert (await client.get(f"/v1/files/{file['id']}")).json() == file
    content = await client.get(f"/v1/files/{file['id']}/content")
    assert (len(content.content), hashlib.sha256(content.content).hexdigest()) == (file["size_bytes"], file["sha256"])
    assert content.headers["content-type"] == "image/png"
    assert np.array_equal(np.asarray(opened(content.content)), np.asarray(PICTURE))


async def test_the_same_picture_twice_is_two_files_that_nobody_can_guess(client: httpx.AsyncClient) -> None:
    first, second = [await sent(client, encoded(PICTURE)) for _ in range(2)]
    assert first != second
    assert len(first) == len("file_") + 32


async def test_bytes_are_served_in_ranges_and_to_caches(client: httpx.AsyncClient) -> None:
    path = f"/v1/files/{await sent(client, encoded(PICTURE))}/content"
    whole = await client.get(path)
    part = await client.get(path, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"PNG")
    assert (await client.get(path, headers={"If-None-Match": whole.headers["etag"]})).status_code == 304
    head = await client.head(path)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(whole.content)))
    assert whole.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert_error(await client.get(path, headers={"Range": "bytes=9999999-"}), 416, "range_not_satisfiable", "Range")


MODES = {
    "1": "L",
    "L": "L",
    "LA": "RGBA",
    "I;16": "L",
    "P": "RGB",
    "RGB": "RGB",
    "RGBA": "RGBA",
}


@pytest.mark.parametrize("mode", MODES)
async def test_png_modes_become_eight_bits(client: httpx.AsyncClient, mode: str) -> None:
    picture = PICTURE.convert("L").convert("RGB") if mode == "P" else PICTURE
    picture = (
        Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
        if mode == "I;16"
        else (picture.convert(mode))
    )
    found = await kept(client, encoded(picture))
    expected = PICTURE.convert("L") if mode == "I;16" else picture.convert(MODES[mode])
    assert found.mode == MODES[mode]
    assert np.array_equal(np.asarray(found), np.asarray(expected))


async def test_alpha_is_kept_wherever_it_was(client: httpx.AsyncClient) -> None:
    alpha = Image.linear_gradient("L").resize(PICTURE.size)
    through = PICTURE.copy()
    through.putalpha(alpha)
    for image_format, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        assert np.array_equal(np.asarray(await kept(client, encoded(through, image_format, **options))), through)
    palette = PICTURE.quantize(4)
    found = await kept(client, encoded(palette, transparency=0))
    assert np.array_equal(np.asarray(found)[..., 3] == 0, np.asarray(palette) == 0)


async def test_jpegs_and_webps_are_what_their_decoder_says(client: httpx.AsyncClient) -> None:
    from io import BytesIO

    for image_format, picture, options in (
        ("JPEG", PICTURE, {}),
        ("JPEG", PICTURE, {"progressive": True}),
        ("JPEG", PICTURE.convert("L"), {}),
        ("JPEG", PICTURE.convert("CMYK"), {"quality": 100}),
        ("WEBP", PICTURE, {}),
        ("WEBP", PICTURE, {"lossless": True}),
    ):
        content = encoded(picture, image_format, **options)
        decoded = Image.open(BytesIO(content))
        found = await kept(client, content)
        assert np.array_equal(np.asarray(found), np.asarray(decoded.convert(found.mode)))
    assert found.mode == "RGB"


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_pictures_come_out_upright(client: httpx.AsyncClient, image_format: str, orientation: int) -> None:
    """Each turn is undone: what was stored so that it looks like the gradient, is the gradient."""
    undone = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    turned = PICTURE.transpose(undone[orientation]) if orientation in undone else PICTURE
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if image_format == "JPEG" else {"lossless": True}
    found = await kept(client, encoded(turned, image_format, exif=exif, **options))
    assert found.size == PICTURE.size
    difference = np.abs(np.asarray(found).astype(int) - np.asarray(PICTURE).astype(int))
    assert difference.max() <= (8 if image_format == "JPEG" else 0)


async def test_no_metadata_is_kept(client: httpx.AsyncClient) -> None:
    from PIL.PngImagePlugin import PngInfo

    exif = Image.Exif()
    exif[0x010E] = "canary"
    exif.get_ifd(0x8825)[1] = "N"
    texts = PngInfo()
    texts.add_text("Comment", "canary")
    texts.add_itxt("XML:com.adobe.xmp", "canary", zip=True)
    for content in (
        encoded(PICTURE, "JPEG", exif=exif, comment="canary", icc_profile=b"canary", dpi=(72, 72)),
        encoded(PICTURE, "WEBP", exif=exif, xmp=b"canary", icc_profile=b"canary"),
        encoded(PICTURE, "PNG", exif=exif, pnginfo=texts, icc_profile=b"canary", dpi=(72, 72)),
    ):
        found = await kept(client, content)
        assert b"canary" not in encoded(found)
        assert found.info == {}


async def test_files_are_listed_newest_first(client: httpx.AsyncClient) -> None:
    ids = [await sent(client, encoded(PICTURE)) for _ in range(5)]
    found, cursor = [], ""
    while cursor is not None:
        page = (await client.get(f"/v1/files?limit=2{cursor and f'&cursor={cursor}'}")).json()
        found += [file["id"] for file in page["data"]]
        cursor = page["next_cursor"]
    assert found == ids[::-1]
    for query, field in [("limit=0", "limit"), ("cursor=x", "cursor"), ("page=2", "page")]:
        assert_error(await client.get(f"/v1/files?{query}"), 422, "invalid_request", field)


async def test_a_removed_file_is_gone_with_its_bytes(client: httpx.AsyncClient, player: Player) -> None:
    file_id = await sent(client, encoded(PICTURE))
    assert (await client.delete(f"/v1/files/{file_id}")).status_code == 204
    for method, path in [("GET", ""), ("GET", "/content"), ("HEAD", "/content"), ("DELETE", "")]:
        response = await client.request(method, f"/v1/files/{file_id}{path}")
        assert response.status_code == 404
    assert_error(await client.get(f"/v1/files/{file_id}"), 404, "unknown_file")
    assert (await client.get("/v1/files")).json()["data"] == []


@pytest.mark.parametrize("file_id", ["file_1", "%00", "job_1", "x" * 3000])
async def test_an_unknown_file(client: httpx.AsyncClient, file_id: str) -> None:
    for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/content")]:
        assert_error(await client.request(method, f"/v1/files/{file_id}{path}"), 404, "unknown_file")


async def test_a_file_whose_bytes_are_gone(client: httpx.AsyncClient, player: Player) -> None:
    file_id = await sent(client, encoded(PICTURE))
    await player.artifacts.delete(f"files/{file_id}")
    assert_error(await client.get(f"/v1/files/{file_id}/content"), 404, "unknown_file")


async def test_a_file_expires_for_clients_at_once_and_in_the_stores_with_the_next_sweep(
    settings: AppSettings, files: FileStore, artifacts_folder: object, connection: StoreConnection
) -> None:
    async with client_of(settings.model_copy(update={"file_ttl_seconds": 0.001})) as client:
        file_id = await sent(client, encoded(PICTURE))
        assert_error(await client.get(f"/v1/files/{file_id}"), 404, "unknown_file")
        assert_error(await client.delete(f"/v1/files/{file_id}"), 404, "unknown_file")
        assert (await client.get("/v1/files")).json()["data"] == []
        assert await connection.redis.exists(f"safelight:file:{file_id}")
        await files.sweep(100)
        assert not await connection.redis.exists(f"safelight:file:{file_id}")
        assert await connection.redis.zcard(EXPIRING) == 0


async def test_a_file_in_use_stays(client: httpx.AsyncClient, player: Player, files: FileStore) -> None:
    file_id = await sent(client, encoded(PICTURE))
    await submit(client, image=file_id, resize="stretch")
    assert_error(await client.delete(f"/v1/files/{file_id}"), 409, "file_in_use")
    await player.finish()
    assert (await client.delete(f"/v1/files/{file_id}")).status_code == 204
