"""The store of files: what is whole can be read, what is held stays, what was interrupted is swept."""

import asyncio
from pathlib import Path

import pytest

from contract.artifact_store import ArtifactStore
from contract.errors import FileInUse, UnknownFile
from contract.file_content import FileContent
from contract.files import EXPIRING, FileStore, StoredFile
from contract.inputs import ImageReference
from contract.job_store import JobStore
from contract.leases import Leases
from contract.request import GenerationRequest
from contract.store_connection import StoreConnection
from tests.conftest import complete_request

PICTURE = FileContent("image", "image/png", b"pixels", width=3, height=2)
LONG = 3600.0
AT_ONCE = 0.001


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path.as_uri())


@pytest.fixture
def files(connection: StoreConnection, artifacts: ArtifactStore) -> FileStore:
    return FileStore(connection, artifacts)


async def admit(job_store: JobStore, file: StoredFile, **changes: object) -> str:
    request = complete_request(image=file.id, **changes)
    return (await job_store.admit(GenerationRequest(prompt="x"), request, max_queued=99)).job.id


def stored_bytes(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_what_was_added_can_be_read(files: FileStore) -> None:
    file = await files.add(PICTURE, ttl_seconds=LONG)
    assert (file.kind, file.media_type, file.width, file.height, file.size_bytes) == ("image", "image/png", 3, 2, 6)
    assert await files.get(file.id) == file
    assert await files.read(file) == b"pixels"
    weights = await files.add(FileContent("weights", "application/octet-stream", b"w"), ttl_seconds=LONG)
    assert (weights.width, weights.height) == (None, None)
    assert await files.page(limit=5) == ([weights, file], None)


async def test_removing_leaves_nothing(files: FileStore, connection: StoreConnection, tmp_path: Path) -> None:
    before = set(await connection.redis.keys())
    file = await files.add(PICTURE, ttl_seconds=LONG)
    await files.remove(file.id)
    assert set(await connection.redis.keys()) - before == {"safelight:files:sequence"}
    assert stored_bytes(tmp_path) == []
    with pytest.raises(UnknownFile):
        await files.read(file)
    with pytest.raises(UnknownFile):
        await files.remove(file.id)


async def test_what_is_interrupted_is_swept(files: FileStore, connection: StoreConnection, tmp_path: Path) -> None:
    """An upload that ends between its bytes and its record, and a removal that ends between them."""
    await connection.redis.zadd(EXPIRING, {"file_announced": 1})
    await ArtifactStore(tmp_path.as_uri()).put("files/file_announced", b"x")
    removed = await files.add(PICTURE, ttl_seconds=LONG)
    assert await connection.run("retire_file", removed.id, "asked", "") == "retired"
    with pytest.raises(UnknownFile):
        await files.get(removed.id)
    stays = await files.add(PICTURE, ttl_seconds=LONG)
    await files.sweep(100)
    assert await files.page(limit=5) == ([stays], None)
    assert await connection.redis.zrange(EXPIRING, 0, -1) == [stays.id]
    assert len(stored_bytes(tmp_path)) == 1


@pytest.mark.parametrize("how", ["succeeded", "failed", "cancelled", "cancelled while it waits"])
async def test_a_job_holds_its_files_until_its_end(
    *, files: FileStore, job_store: JobStore, leases: Leases, connection: StoreConnection, how: str
) -> None:
    file = await files.add(PICTURE, ttl_seconds=0.2)
    job_id = await admit(job_store, file, mask=file.id)
    with pytest.raises(FileInUse):
        await files.remove(file.id)
    if how == "cancelled while it waits":
        await job_store.cancel(job_id)
    else:
        lease = await leases.claim("worker")
        assert lease is not None
        await leases.give_back([lease], "lost")
        lease = await leases.claim("worker")
        assert lease is not None
        await until_expired(files, file)
        await files.sweep(100)
        assert await files.read(file) == b"pixels"
        await leases.settle(lease, how)  # type: ignore[arg-type]
    await until_expired(files, file)
    await connection.redis.zadd(EXPIRING, {file.id: 1})
    await files.sweep(100)
    with pytest.raises(UnknownFile):
        await files.read(file)
    assert not await connection.redis.exists(f"safelight:file_users:{file.id}")


async def until_expired(files: FileStore, file: StoredFile) -> None:
    while True:
        try:
            await files.get(file.id)
        except UnknownFile:
            return
        await asyncio.sleep(0.02)


async def test_no_job_is_admitted_with_a_file_that_cannot_be_named(files: FileStore, job_store: JobStore) -> None:
    expired = await files.add(PICTURE, ttl_seconds=AT_ONCE)
    removed = await files.add(PICTURE, ttl_seconds=LONG)
    await files.remove(removed.id)
    for file in (expired, removed):
        with pytest.raises(UnknownFile) as raised:
            await admit(job_store, file)
        assert raised.value.field == "image"
    assert (await job_store.counts())["queued"] == 0


async def test_a_removal_and_an_admission_at_once_never_leave_a_job_without_its_file(
    files: FileStore, job_store: JobStore
) -> None:
    outcomes = set()
    for _ in range(20):
        file = await files.add(PICTURE, ttl_seconds=LONG)
        admitted, removed = await asyncio.gather(admit(job_store, file), files.remove(file.id), return_exceptions=True)
        outcomes.add((type(admitted), type(removed)))
        if isinstance(admitted, str):
            assert isinstance(removed, FileInUse)
            assert await files.read(file) == b"pixels"
    assert outcomes <= {(str, FileInUse), (UnknownFile, type(None))}


def test_references_are_found_with_their_fields() -> None:
    request = complete_request(image="file_" + "a" * 32, mask="art_" + "b" * 32 + "_0")
    found = request.references()
    assert found == {"image": "file_" + "a" * 32, "mask": "art_" + "b" * 32 + "_0"}
    assert all(isinstance(reference, ImageReference) for reference in found.values())
    assert complete_request().references() == {}
    again = type(request).model_validate_json(request.model_dump_json())
    assert again == request
    assert again.references() == found
