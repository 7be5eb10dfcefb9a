"""GET and HEAD /v1/artifacts/{id}: bytes, validators, ranges."""

import hashlib

import httpx
import pytest

from tests.app.conftest import Api, Player, assert_error, submit

CONTENT = bytes(range(256)) * 40
ETAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'


@pytest.fixture
async def path(client: httpx.AsyncClient, player: Player) -> str:
    """The path of a published picture."""
    await submit(client)
    artifact = await player.publish(await player.claim(), content=CONTENT)
    return f"/v1/artifacts/{artifact.id}"


async def test_a_picture_is_served_with_everything_that_browsers_and_caches_want(
    client: httpx.AsyncClient, path: str
) -> None:
    response = await client.get(path)
    assert (response.status_code, response.content) == (200, CONTENT)
    headers = response.headers
    assert (headers["content-type"], headers["content-length"]) == ("image/png", str(len(CONTENT)))
    assert (headers["etag"], headers["accept-ranges"]) == (ETAG, "bytes")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "private, max-age=31536000, immutable"
    assert headers["content-disposition"] == f'inline; filename="{path.rpartition("/")[2]}.png"'


@pytest.mark.parametrize(("output_format", "media_type"), [("jpeg", "image/jpeg"), ("webp", "image/webp")])
async def test_the_media_type_is_the_pictures_own(
    client: httpx.AsyncClient, player: Player, output_format: str, media_type: str
) -> None:
    await submit(client, output_format=output_format)
    artifact = await player.publish(await player.claim())
    assert (await client.get(f"/v1/artifacts/{artifact.id}")).headers["content-type"] == media_type


async def test_head_tells_the_same_without_the_bytes(client: httpx.AsyncClient, path: str) -> None:
    head, get = await client.head(path), await client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    for response in (head, get):
        del response.headers["x-request-id"]
    assert head.headers == get.headers
    assert (await client.head(path, headers={"If-None-Match": ETAG})).status_code == 304


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, len(CONTENT)),
        ("bytes=-5", len(CONTENT) - 5, len(CONTENT)),
        ("bytes=-999999", 0, len(CONTENT)),
        ("bytes=10000-99999999", 10000, len(CONTENT)),
        ("BYTES = 5 - 9 ", 5, 10),
    ],
)
async def test_a_range(client: httpx.AsyncClient, path: str, asked: str, start: int, end: int) -> None:
    response = await client.get(path, headers={"Range": asked})
    assert (response.status_code, response.content) == (206, CONTENT[start:end])
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert response.headers["content-length"] == str(end - start)
    assert response.headers["etag"] == ETAG


@pytest.mark.parametrize(
    "asked", ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=9-5", "lines=1-2", "bytes=0-1,4-5", "bytes=٣-٤"]
)
async def test_what_is_not_one_range_gets_everything(client: httpx.AsyncClient, path: str, asked: str) -> None:
    response = await client.get(path, headers={"Range": asked.encode()})
    assert (response.status_code, response.content) == (200, CONTENT)


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", "bytes=99999999-", "bytes=-0"])
async def test_a_range_behind_the_end(client: httpx.AsyncClient, path: str, asked: str) -> None:
    response = await client.get(path, headers={"Range": asked})
    assert_error(response, 416, "range_not_satisfiable", "Range")
    assert response.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize("tags", [ETAG, f"W/{ETAG}", "*", f'"x", {ETAG}'])
async def test_who_has_it_gets_nothing(client: httpx.AsyncClient, path: str, tags: str) -> None:
    response = await client.get(path, headers={"If-None-Match": tags})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == ETAG
    assert "content-length" not in response.headers


async def test_who_has_something_else_gets_it(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, headers={"If-None-Match": '"x"'})).status_code == 200


@pytest.mark.parametrize(
    ("validator", "status"), [(ETAG, 206), (f"W/{ETAG}", 200), ('"x"', 200), ("Tue, 24 Nov 2026 09:30:00 GMT", 200)]
)
async def test_a_range_of_something_else_is_not_sent(
    client: httpx.AsyncClient, path: str, validator: str, status: int
) -> None:
    response = await client.get(path, headers={"Range": "bytes=0-9", "If-Range": validator})
    assert response.status_code == status


@pytest.mark.parametrize("artifact_id", ["art_1_0", "x", "_", "job_1", "%00", "art_1"])
async def test_an_unknown_artifact(client: httpx.AsyncClient, artifact_id: str) -> None:
    assert_error(await client.get(f"/v1/artifacts/{artifact_id}"), 404, "unknown_artifact")


async def test_an_index_that_is_not_there(client: httpx.AsyncClient, path: str) -> None:
    assert_error(await client.get(path[:-1] + "1"), 404, "unknown_artifact")
    assert_error(await client.get(path[:-2]), 404, "unknown_artifact")


async def test_a_picture_whose_bytes_are_gone(client: httpx.AsyncClient, path: str, player: Player) -> None:
    job_id = path.removeprefix("/v1/artifacts/").replace("art_", "job_").rpartition("_")[0]
    await player.artifacts.delete_all(f"{job_id}/")
    assert_error(await client.get(path), 404, "unknown_artifact")


async def test_a_real_server_serves_ranges_and_heads_too(api: Api, path: str) -> None:
    async with api.client() as client:
        assert (await client.get(path, headers={"Range": "bytes=-9"})).content == CONTENT[-9:]
        head = await client.head(path)
        assert (head.headers["content-length"], head.content) == (str(len(CONTENT)), b"")
        assert (await client.get(path)).content == CONTENT
