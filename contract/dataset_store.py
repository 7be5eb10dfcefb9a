"""Data sets as they are kept: records in Redis, bytes in the artifact store, and in which order both come and go.

Every edit is one atomic step that fails when somebody else was quicker, and is then made again. Bytes have names that
are never given twice, so that an edit that is late removes nobody's. A job that has not ended holds its data set:
captions may change and pictures may come, and none goes.
"""

import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

from contract.artifact_store import ArtifactStore
from contract.datasets import Dataset, DatasetPicture, DatasetSummary, NewPicture
from contract.errors import (
    DatasetInUse,
    LimitExceeded,
    SafelightError,
    StoreUnavailable,
    UnknownArtifact,
    UnknownDataset,
)
from contract.store_connection import StoreConnection, unavailable_when_unreachable
from contract.tenants import PUBLIC, index_of

ANNOUNCED = "safelight:datasets:announced"
ANNOUNCED_SECONDS = 3600
"""What was announced and has no record after this long is a call that was interrupted."""

Edit = Callable[[Dataset], Dataset]
"""What becomes of a data set; it may be called again, when the data set has changed meanwhile."""


class DatasetStore:
    """Promise: bytes that a record names are there; what an interrupted call has left goes with its data set.

    A store that is one tenant's knows that tenant's data sets only; without a tenant it is the house's own.
    All methods raise StoreUnavailable when a store does not answer.
    """

    def __init__(self, connection: StoreConnection, artifacts: ArtifactStore, tenant: str | None = None) -> None:
        self._connection = connection
        self._redis = connection.redis
        self._artifacts = artifacts
        self._tenant = tenant

    def of(self, tenant: str) -> "DatasetStore":
        """The same store, as this tenant's."""
        return DatasetStore(self._connection, self._artifacts, tenant)

    def fresh(self, name: str) -> Dataset:
        """A data set that is not kept yet, under an id that nobody has had, without pictures."""
        return Dataset(
            id=f"ds_{secrets.token_hex(16)}",
            tenant=self._tenant or PUBLIC,
            name=name,
            pictures=(),
            created_at=datetime.now(UTC),
            version="",
            next_index=0,
        )

    async def create(self, fresh: Dataset, pictures: AsyncIterable[NewPicture], *, most: int) -> Dataset:
        """Keeps a fresh data set; a tenant has `most` of them. Each picture is kept as it comes.

        Raises: LimitExceeded, and whatever the pictures do while they come.
        """
        with unavailable_when_unreachable():
            await self._redis.zadd(ANNOUNCED, {fresh.id: _now() + ANNOUNCED_SECONDS})
        stored: list[DatasetPicture] = []
        try:
            await self._store(fresh.id, pictures, stored)
            if kept := await self._keep(fresh.with_pictures(stored), most=most):
                return kept
            raise LimitExceeded(f"There are {most} data sets, and no more are allowed; delete one first.")
        except SafelightError as error:
            if not isinstance(error, StoreUnavailable):  # What is left then is swept.
                await self._bury(fresh.id)
            raise

    async def add(
        self, dataset_id: str, pictures: AsyncIterable[NewPicture], edit: Edit = lambda same: same
    ) -> Dataset:
        """The data set with more pictures, and after an edit that comes with them; each is kept as it comes.

        Raises: UnknownDataset, and whatever the edit does, or the pictures do while they come.
        """
        stored: list[DatasetPicture] = []
        try:
            await self._store(dataset_id, pictures, stored)
            return await self.change(dataset_id, lambda dataset: edit(dataset.with_pictures(stored)))
        except SafelightError as error:
            if not isinstance(error, StoreUnavailable):  # Nobody knows then whether the record names them.
                await self._drop(dataset_id, stored)
            raise

    async def change(self, dataset_id: str, edit: Edit) -> Dataset:
        """The data set after an edit that takes nothing out of it. Raises: UnknownDataset, and what the edit raises."""
        while True:
            if kept := await self._keep(edit(await self.get(dataset_id))):
                return kept

    async def remove_picture(self, dataset_id: str, index: int) -> Dataset:
        """The data set less one picture. Raises: UnknownDataset, DatasetInUse."""
        while True:
            dataset = await self.get(dataset_id)
            if kept := await self._keep(dataset.without(index), takes=True):
                await self._drop(dataset_id, [dataset.picture(index)])
                return kept

    async def get(self, dataset_id: str) -> Dataset:
        """The data set as it is now. Raises: UnknownDataset."""
        async for text in self._texts("record", [dataset_id]):
            return Dataset.model_validate_json(text)
        raise UnknownDataset(f"There is no data set {dataset_id!r}.")

    async def page(self, *, limit: int, cursor: int | None = None) -> tuple[list[DatasetSummary], int | None]:
        """Up to `limit` data sets, newest first, older than `cursor`; and the cursor of the next page, if any."""
        newest = "+inf" if cursor is None else f"({cursor}"
        with unavailable_when_unreachable():
            page = await self._redis.zrevrangebyscore(
                index_of("safelight:datasets", self._tenant), newest, "-inf", start=0, num=limit + 1, withscores=True
            )
        texts = self._texts("summary", [dataset_id for dataset_id, _ in page[:limit]])
        listed = [DatasetSummary.model_validate_json(text) async for text in texts]
        return listed, int(page[limit - 1][1]) if len(page) > limit else None

    async def read(self, dataset_id: str, picture: DatasetPicture) -> bytes:
        """A picture as PNG; one of a snapshot is there for as long as the job that holds it. Raises: UnknownDataset."""
        return await self._read(picture_key(dataset_id, picture))

    async def read_target(self, dataset_id: str, picture: DatasetPicture) -> bytes | None:
        """The picture's target as PNG, if it has one. Raises: UnknownDataset."""
        return None if picture.target_sha256 is None else await self._read(target_key(dataset_id, picture))

    async def remove(self, dataset_id: str) -> None:
        """Removes a data set. Raises: UnknownDataset, DatasetInUse."""
        match await self._connection.run("retire_dataset", dataset_id, self._tenant or ""):
            case "unknown":
                raise UnknownDataset(f"There is no data set {dataset_id!r}.")
            case "in_use":
                raise in_use()
        await self._bury(dataset_id)

    async def sweep(self, limit: int) -> None:
        """Removes what interrupted calls have left."""
        with unavailable_when_unreachable():
            ids = await self._redis.zrangebyscore(ANNOUNCED, "-inf", _now(), start=0, num=limit)
        for dataset_id in ids:
            await self._bury(dataset_id)

    async def _keep(self, dataset: Dataset, *, takes: bool = False, most: int = 0) -> Dataset | None:
        """The data set, kept; None when somebody else has changed it, or there are as many as may be."""
        kept = dataset.model_copy(update={"version": secrets.token_hex(8)})
        answer = await self._connection.run(
            "keep_dataset",
            dataset.id,
            dataset.tenant,
            dataset.version,
            kept.version,
            kept.model_dump_json(),
            kept.summary.model_dump_json(),
            most,
            int(takes),
        )
        if answer == "in_use":
            raise in_use()
        return kept if answer == "kept" else None

    async def _store(self, dataset_id: str, pictures: AsyncIterable[NewPicture], stored: list[DatasetPicture]) -> None:
        """Stores the bytes of pictures as they come, and notes each that is stored."""
        async for new in pictures:
            picture = new.described
            stored.append(picture)
            await self._artifacts.put(picture_key(dataset_id, picture), new.content.content)
            if new.target is not None:
                await self._artifacts.put(target_key(dataset_id, picture), new.target.content)

    async def _read(self, key: str) -> bytes:
        try:
            return await self._artifacts.get(key)
        except UnknownArtifact as error:
            raise UnknownDataset("The bytes of this picture are gone.") from error

    async def _drop(self, dataset_id: str, pictures: Sequence[DatasetPicture]) -> None:
        for picture in pictures:
            await self._artifacts.delete(picture_key(dataset_id, picture))
            await self._artifacts.delete(target_key(dataset_id, picture))

    async def _bury(self, dataset_id: str) -> None:
        await self._artifacts.delete_all(f"datasets/{dataset_id}/")
        with unavailable_when_unreachable():
            await self._redis.delete(f"safelight:dataset:{dataset_id}", f"safelight:dataset_users:{dataset_id}")
            await self._redis.zrem(ANNOUNCED, dataset_id)

    async def _texts(self, field: str, dataset_ids: Sequence[str]) -> AsyncIterator[str]:
        """What stands in this field of those that are there."""
        records = await self._connection.pipelined(
            [("HMGET", f"safelight:dataset:{dataset_id}", field, "tenant", "retired") for dataset_id in dataset_ids]
        )
        for text, tenant, retired in records:
            if text and not retired and self._tenant in (None, tenant):
                yield text


def picture_key(dataset_id: str, picture: DatasetPicture) -> str:
    """Where the bytes of a picture are in the artifact store."""
    return f"datasets/{dataset_id}/{picture.place}.png"


def target_key(dataset_id: str, picture: DatasetPicture) -> str:
    """Where the bytes of its target are."""
    return f"datasets/{dataset_id}/{picture.place}.target.png"


def in_use() -> DatasetInUse:
    """That nothing may be taken out now."""
    return DatasetInUse("A fine-tune that has not ended learns from this data set; cancel it first.")


def _now() -> float:
    return datetime.now(UTC).timestamp()
