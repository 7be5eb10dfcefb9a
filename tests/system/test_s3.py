"""The whole service with its pictures in an S3-compatible store that judges signatures."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests import s3_stores
from tests.pictures import encoded, gradient
from tests.s3_stores import BUCKET, S3Process
from tests.system.launched import Launched, launch
from tests.waiting import wait_until_async

ASKED = {"prompt": "a red apple", "seed": 7}


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps what it is given."""
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="module")
def server(bucket: Path) -> Iterator[S3Process]:
    yield from s3_stores.rclone(bucket)


@pytest.fixture(scope="module")
def service(server: S3Process, tiny_catalogue: Path) -> Iterator[Launched]:
    yield from launch(
        tiny_catalogue,
        SAFELIGHT_ARTIFACTS_URL=server.location,
        SAFELIGHT_PRESIGNED_SECONDS="60",
        **server.environment,
    )


@pytest.fixture
async def client(service: Launched) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.address, timeout=60) as client:
        yield client


def objects(bucket: Path) -> list[Path]:
    """What the store has."""
    return [path for path in (bucket / BUCKET).rglob("*") if path.is_file()]


async def made(client: httpx.AsyncClient, **changes: object) -> dict[str, object]:
    answer = await client.post("/v1/generations", json=ASKED | changes, headers={"Prefer": "wait=60"})
    assert answer.json()["status"] == "succeeded", answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_a_job_from_its_call_to_its_picture(client: httpx.AsyncClient, bucket: Path) -> None:
    sent = await client.post("/v1/files", files={"file": ("in.png", encoded(gradient(64, 64)))})
    job = await made(client, image=sent.json()["id"], strength=0.5)
    (image,) = job["images"]  # type: ignore[misc]
    headers = {"ETag": f'"{image["sha256"]}"'}
    head = await client.head(image["url"])
    assert (head.status_code, head.headers["etag"]) == (200, headers["ETag"])
    unchanged = await client.get(image["url"], headers={"If-None-Match": headers["ETag"]})
    assert unchanged.status_code == 304
    moved = await client.get(image["url"])
    assert (moved.status_code, moved.headers["cache-control"], moved.content) == (307, "no-store", b"")
    assert parse_qs(urlsplit(moved.headers["location"]).query)["X-Amz-Expires"] == ["60"]
    whole = await client.get(image["url"], follow_redirects=True)
    assert hashlib.sha256(whole.content).hexdigest() == image["sha256"]
    assert whole.headers["content-type"] == "image/png"
    part = await client.get(image["url"], headers={"Range": "bytes=1-3"}, follow_redirects=True)
    assert (part.status_code, part.content) == (206, b"PNG")
    # Files, which requests name, are read through the API.
    kept = await client.get(f"/v1/files/{sent.json()['id']}/content", headers={"Range": "bytes=1-3"})
    assert (kept.status_code, kept.content) == (206, b"PNG")
    assert (await client.delete(f"/v1/jobs/{job['id']}")).status_code == 204
    assert (await client.delete(f"/v1/files/{sent.json()['id']}")).status_code == 204
    assert objects(bucket) == []
    assert (await client.get(moved.headers["location"])).status_code == 404


async def test_retention_removes_objects(client: httpx.AsyncClient, bucket: Path) -> None:
    job = await made(client, retention_seconds=1, num_images=2)

    async def gone() -> bool:
        return (await client.get(f"/v1/jobs/{job['id']}")).status_code == 404

    await wait_until_async(gone, 60)
    assert objects(bucket) == []


async def test_our_own_client_follows(service: Launched, server: S3Process, bucket: Path) -> None:
    from safelight import AsyncSafelight

    async with AsyncSafelight(service.address) as safelight:
        (picture,) = await safelight.generate("a red apple", seed=7)
        assert picture.content.startswith(b"\x89PNG")


async def test_an_outage_is_waited_for(client: httpx.AsyncClient, server: S3Process) -> None:
    job = await made(client)
    (image,) = job["images"]  # type: ignore[misc]
    server.kill()
    refused = await client.post("/v1/files", files={"file": ("in.png", encoded(gradient(64, 64)))})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
    late = await client.post("/v1/generations", json=ASKED | {"seed": 8})
    server.start()

    async def done() -> bool:
        return (await client.get(f"/v1/jobs/{late.json()['id']}")).json()["status"] == "succeeded"

    await wait_until_async(done, 30)
    assert (await client.get(image["url"], follow_redirects=True)).status_code == 200
