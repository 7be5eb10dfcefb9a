"""The store of data sets: what is named is there, edits do not lose each other, what a job holds stays."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.artifact_store import ArtifactStore
from contract.dataset_store import ANNOUNCED, DatasetStore
from contract.datasets import Dataset, NewPicture
from contract.errors import DatasetInUse, LimitExceeded, UnknownDataset
from contract.file_content import FileContent
from contract.job_store import JobStore
from contract.request import GenerationRequest
from contract.store_connection import StoreConnection
from tests.conftest import complete_request


@pytest.fixture
def datasets(connection: StoreConnection, tmp_path: Path) -> DatasetStore:
    return DatasetStore(connection, ArtifactStore(tmp_path.as_uri()), "zoo")


def new(name: str, caption: str = "", target: bytes | None = None) -> NewPicture:
    map_of = None if target is None else FileContent("image", "image/png", target, width=3, height=2)
    return NewPicture(
        name, caption, FileContent("image", "image/png", f"pixels of {name}".encode(), width=3, height=2), map_of
    )


async def coming(*pictures: NewPicture) -> AsyncIterator[NewPicture]:
    for picture in pictures:
        yield picture


async def make(datasets: DatasetStore, *names: str) -> Dataset:
    return await datasets.create(datasets.fresh("animals"), coming(*(new(name, f"a {name}") for name in names)), most=9)


def stored_bytes(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


async def test_what_was_made_can_be_read(datasets: DatasetStore) -> None:
    dataset = await datasets.create(
        datasets.fresh("animals"), coming(new("cat", "a cat"), new("dog", target=b"depth")), most=9
    )
    assert await datasets.get(dataset.id) == dataset
    cat, dog = dataset.pictures
    assert (cat.index, cat.caption, cat.width, cat.height, cat.size_bytes) == (0, "a cat", 3, 2, len(b"pixels of cat"))
    assert (await datasets.read(dataset.id, cat), await datasets.read_target(dataset.id, cat)) == (
        b"pixels of cat",
        None,
    )
    assert await datasets.read_target(dataset.id, dog) == b"depth"
    assert dataset.size_bytes == len(b"pixels of catpixels of dogdepth")
    other = await make(datasets, "cow")
    assert await datasets.page(limit=1) == ([other.summary], 2)
    assert await datasets.page(limit=1, cursor=2) == ([dataset.summary], None)


async def test_a_digest_is_of_what_there_is_to_learn(datasets: DatasetStore) -> None:
    dataset = await make(datasets, "cat", "dog")
    turned = await make(datasets, "dog", "cat")
    assert dataset.digest == turned.digest
    assert len({dataset.digest, dataset.with_caption(0, "a dog").digest, dataset.without(0).digest}) == 3


async def test_edits_at_once_lose_nothing(datasets: DatasetStore) -> None:
    dataset = await make(datasets, "cat", "dog")
    names = [f"animal {number}" for number in range(8)]
    await asyncio.gather(
        datasets.remove_picture(dataset.id, 1),
        datasets.change(dataset.id, lambda found: found.with_caption(0, "a tabby cat")),
        *(datasets.add(dataset.id, coming(new(name))) for name in names),
    )
    found = await datasets.get(dataset.id)
    assert {picture.file_name for picture in found.pictures} == {"cat", *names}
    assert sorted(picture.index for picture in found.pictures) == [0, *range(2, 10)]
    assert found.picture(0).caption == "a tabby cat"
    for picture in found.pictures:
        assert await datasets.read(dataset.id, picture) == f"pixels of {picture.file_name}".encode()


async def test_removing_leaves_nothing(datasets: DatasetStore, connection: StoreConnection, tmp_path: Path) -> None:
    dataset = await make(datasets, "cat", "dog")
    after = await datasets.remove_picture(dataset.id, 0)
    assert [picture.file_name for picture in after.pictures] == ["dog"]
    assert stored_bytes(tmp_path) == 1
    with pytest.raises(UnknownDataset):
        await datasets.remove_picture(dataset.id, 0)
    await datasets.remove(dataset.id)
    assert stored_bytes(tmp_path) == 0
    assert set(await connection.redis.keys("safelight:dataset*")) == {"safelight:datasets:sequence"}
    for call in (datasets.get(dataset.id), datasets.remove(dataset.id), datasets.add(dataset.id, coming(new("cow")))):
        with pytest.raises(UnknownDataset):
            await call


async def test_an_edit_that_is_refused_leaves_no_bytes(datasets: DatasetStore, tmp_path: Path) -> None:
    def refuse(dataset: Dataset) -> Dataset:
        raise LimitExceeded(f"{len(dataset.pictures)} are too many")

    dataset = await make(datasets, "cat")
    with pytest.raises(LimitExceeded, match="2 are"):
        await datasets.add(dataset.id, coming(new("dog", target=b"depth")), refuse)
    with pytest.raises(LimitExceeded, match="There are 1"):
        await datasets.create(datasets.fresh("more"), coming(new("dog")), most=1)
    assert stored_bytes(tmp_path) == 1


async def test_what_was_interrupted_is_swept(
    datasets: DatasetStore, connection: StoreConnection, tmp_path: Path
) -> None:
    """A call that ends between its bytes and its record, and a removal that ends between them."""
    await connection.redis.zadd(ANNOUNCED, {"ds_announced": 1})
    await ArtifactStore(tmp_path.as_uri()).put("datasets/ds_announced/x.png", b"x")
    removed, stays = await make(datasets, "cat"), await make(datasets, "dog")
    assert await connection.run("retire_dataset", removed.id, "zoo") == "retired"
    with pytest.raises(UnknownDataset):
        await datasets.get(removed.id)
    await datasets.sweep(100)
    assert await datasets.page(limit=5) == ([stays.summary], None)
    assert (await connection.redis.exists(ANNOUNCED), stored_bytes(tmp_path)) == (0, 1)


async def test_another_tenants_is_unknown(datasets: DatasetStore) -> None:
    dataset = await make(datasets, "cat")
    others = datasets.of("circus")
    for call in (others.get(dataset.id), others.remove(dataset.id), others.remove_picture(dataset.id, 0)):
        with pytest.raises(UnknownDataset):
            await call
    assert await others.page(limit=5) == ([], None)


async def test_of_what_a_job_learns_from_nothing_goes_until_it_has_ended(
    datasets: DatasetStore, connection: StoreConnection, job_store: JobStore
) -> None:
    dataset = await make(datasets, "cat", "dog")
    job = (await job_store.admit(GenerationRequest(prompt="x"), complete_request(), max_queued=9)).job
    await connection.redis.sadd(f"safelight:dataset_users:{dataset.id}", "ft_that_is_gone", job.id)
    for call in (datasets.remove(dataset.id), datasets.remove_picture(dataset.id, 0)):
        with pytest.raises(DatasetInUse):
            await call
    edited = await datasets.change(dataset.id, lambda found: found.with_caption(0, "a tabby cat"))
    assert await datasets.read(dataset.id, dataset.picture(0)) == b"pixels of cat"
    await job_store.cancel(job.id)
    await datasets.remove_picture(edited.id, 0)
    await datasets.remove(dataset.id)
