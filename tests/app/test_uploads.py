"""Multipart bodies: one file in one field, up to a limit, and an answer in the one shape to everything else."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.settings import AppSettings
from tests.app.conftest import Api, assert_error, client_of
from tests.pictures import encoded, gradient

PICTURE = encoded(gradient())
FORM = {"content-type": "multipart/form-data; boundary=b"}


async def test_wrong_fields_are_named(client: httpx.AsyncClient) -> None:
    async def refused(field: str, files: list[tuple[str, tuple[str | None, bytes]]]) -> None:
        assert_error(await client.post("/v1/files", files=files), 422, "invalid_request", field)

    await refused("picture", [("picture", ("p.png", PICTURE))])
    await refused("purpose", [("file", ("p.png", PICTURE)), ("purpose", (None, b"edit"))])
    await refused("file", [("file", ("p.png", PICTURE)), ("file", ("q.png", PICTURE))])
    await refused("file", [("file", (None, b"no file name"))])
    empty = b"--b--\r\n"
    assert_error(await client.post("/v1/files", content=empty, headers=FORM), 422, "invalid_request", "file")


PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        PART + PICTURE,
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nbad header\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"X-Header: y\r\n" * 5000 + b"\r\nx\r\n--b--\r\n",
        b"--b\r\nX-Header: " + b"y" * 100_000 + b"\r\n\r\nx\r\n--b--\r\n",
    ],
    ids=lambda content: repr(content[:50]),
)
async def test_what_is_not_multipart_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.post("/v1/files", content=content, headers=FORM)
    assert_error(response, 400, "malformed_multipart")


@pytest.mark.parametrize("media_type", ["image/png", "application/json", "multipart/mixed; boundary=b", "", None])
async def test_other_media_types_are_refused(client: httpx.AsyncClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    response = await client.post("/v1/files", content=PICTURE, headers=headers)
    assert_error(response, 415, "unsupported_media_type", "Content-Type")


@pytest.mark.parametrize("parameters", ["", "; boundary=", "; boundary=" + "x" * 5000, '; boundary="é"'])
async def test_a_boundary_is_needed(client: httpx.AsyncClient, parameters: str) -> None:
    headers = {"content-type": f"multipart/form-data{parameters}".encode()}
    response = await client.post("/v1/files", content=PART, headers=headers)
    assert_error(response, 400, "malformed_multipart", response.json()["error"]["field"])


class Pieces:
    """A body that never ends, and how many pieces of it were asked for."""

    def __init__(self, first: bytes) -> None:
        self._first = first
        self.num_asked = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._first
        while True:
            self.num_asked += 1
            yield bytes(1000)


async def test_a_body_is_refused_as_soon_as_it_can_be(settings: AppSettings) -> None:
    small = settings.model_copy(update={"max_image_bytes": 1000, "max_weights_bytes": 2000})
    async with client_of(small) as client:
        pieces = Pieces(PART)
        assert_error(await client.post("/v1/files", content=pieces, headers=FORM), 413, "body_too_large")
        assert pieces.num_asked < 80
        pieces = Pieces(PART.replace(b'"file"', b'"picture"'))
        response = await client.post("/v1/files", content=pieces, headers=FORM)
        assert_error(response, 422, "invalid_request", "picture")
        assert pieces.num_asked < 3
        declared = {**FORM, "content-length": str(2000 + 64 * 1024 + 1)}
        assert_error(await client.post("/v1/files", content=b"", headers=declared), 413, "body_too_large")


async def test_a_real_server_refuses_what_is_too_large(api: Api) -> None:
    async with api.client() as client:
        content = PART + bytes(65 * 1024 * 1024)
        assert_error(await client.post("/v1/files", content=content, headers=FORM), 413, "body_too_large")
        assert (await client.post("/v1/files", files={"file": PICTURE})).status_code == 201
