"""ArtifactStore over S3-compatible servers: one with S3's conditions, one that judges signatures."""

from collections.abc import Iterator

import httpx
import pytest

from contract.artifact import IMMUTABLE
from contract.artifact_store import ArtifactStore
from contract.errors import StoreUnavailable, UnknownArtifact
from tests import s3_stores
from tests.s3_stores import S3Process
from tests.waiting import wait_until_async

HEADERS = {
    "Content-Type": "image/png",
    "Content-Disposition": 'inline; filename="art_1.png"',
    "Cache-Control": IMMUTABLE,
}


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Process]:
    yield from s3_stores.moto()


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Process]:
    yield from s3_stores.rclone(tmp_path_factory.mktemp("s3"))


@pytest.fixture(params=["moto", "rclone"])
def server(request: pytest.FixtureRequest) -> S3Process:
    found: S3Process = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def artifacts(server: S3Process, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    return server.store(monkeypatch)


async def test_what_holds_of_a_directory_holds_here(artifacts: ArtifactStore) -> None:
    for key in ("job/1/0.png", "job/2/0.png", "job2/1/0.png"):
        await artifacts.put(key, b"0123456789", HEADERS)
    assert await artifacts.get("job/1/0.png") == b"0123456789"
    assert await artifacts.get("job/1/0.png", 7) == b"789"
    await artifacts.delete("job/1/0.png")
    await artifacts.delete("job/1/0.png")
    await artifacts.delete_all("job/")
    await artifacts.delete_all("never/")
    for key in ("job/1/0.png", "job/2/0.png"):
        with pytest.raises(UnknownArtifact):
            await artifacts.get(key)
    assert await artifacts.get("job2/1/0.png") == b"0123456789"


async def test_an_address_opens_one_object_with_get(artifacts: ArtifactStore) -> None:
    await artifacts.put("job/3/0.png", b"0123456789", HEADERS)
    address = await artifacts.address("job/3/0.png", 60)
    assert address is not None
    async with httpx.AsyncClient() as client:
        whole = await client.get(address)
        assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, b"0123456789", "image/png")
        assert (await client.get(address, headers={"Range": "bytes=2-4"})).content == b"234"


async def test_parts_are_read(moto: S3Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of rclone, which sends a part with status 200: what is not said to be one is not taken for one."""
    artifacts = moto.store(monkeypatch)
    await artifacts.put("job/2/0.png", b"0123456789")
    assert await artifacts.get("job/2/0.png", 2, 5) == b"234"


async def test_what_is_written_stays_and_has_its_headers(moto: S3Process, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = moto.store(monkeypatch)
    await artifacts.put("job/4/0.png", b"first", HEADERS)
    await artifacts.put("job/4/0.png", b"second", HEADERS)
    address = await artifacts.address("job/4/0.png", 60)
    assert address is not None
    async with httpx.AsyncClient() as client:
        answer = await client.get(address)
    assert answer.content == b"first"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


async def test_an_address_is_for_nothing_else_and_not_for_long(
    rclone: S3Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = rclone.store(monkeypatch)
    await artifacts.put("job/5/0.png", b"mine")
    await artifacts.put("job/6/0.png", b"another's")
    long, brief = await artifacts.address("job/5/0.png", 60), await artifacts.address("job/5/0.png", 1)
    assert long is not None
    assert brief is not None
    async with httpx.AsyncClient() as client:
        assert (await client.get(long)).content == b"mine"
        for refused in (
            await client.delete(long),
            await client.put(long, content=b"x"),
            await client.get(long.replace("/job/5/", "/job/6/")),
            await client.get(long.replace("X-Amz-Expires=60", "X-Amz-Expires=600")),
            await client.get(long.partition("?")[0]),
        ):
            assert refused.status_code in (400, 403)

        async def over() -> bool:
            return (await client.get(brief)).status_code in (400, 403)

        await wait_until_async(over, 10)
        assert (await client.get(long)).content == b"mine"


async def test_a_wrong_secret_is_said_and_not_shown(rclone: S3Process, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = rclone.store(monkeypatch, AWS_SECRET_ACCESS_KEY="another-secret")
    with pytest.raises(StoreUnavailable) as caught:
        await artifacts.put("job/7/0.png", b"x")
    assert "another-secret" not in str(caught.value)


async def test_bytes_outlive_the_server(rclone: S3Process, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = rclone.store(monkeypatch)
    await artifacts.put("job/8/0.png", b"kept")
    rclone.kill()
    for call in (artifacts.get("job/8/0.png"), artifacts.put("job/9/0.png", b"x"), artifacts.delete("job/8/0.png")):
        with pytest.raises(StoreUnavailable):
            await call
    rclone.start()
    assert await artifacts.get("job/8/0.png") == b"kept"
    await artifacts.put("job/9/0.png", b"x")
