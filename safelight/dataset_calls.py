"""The calls about data sets."""

from collections.abc import AsyncGenerator

from safelight.caller import Caller, path_of
from safelight.datasets import Dataset, DatasetListed, DatasetSent, Lessons, parts_of
from safelight.pages import each
from safelight.reading import read
from safelight.sources import Named

JUDGING_SECONDS = 600.0
"""The service is silent while it looks at all pictures."""


class DatasetCalls(Caller):
    """Data sets over HTTP."""

    async def create_dataset(self, lessons: Lessons, *, name: str = "") -> DatasetSent:
        """Sends pictures and captions to learn from; `problems` says which files were left out.

        Raises: UnreadableFile; EmptyDataset; LimitExceeded; …
        """
        return await self._send("", lessons, {"name": name})

    async def add_pictures(self, dataset: Named | str, lessons: Lessons) -> DatasetSent:
        """Sends more files for a data set, captions of pictures that it has among them. Raises: as `create_dataset`."""
        return await self._send(f"/{path_of(dataset)}/pictures", lessons, {})

    def datasets(self, *, page_size: int = 50) -> AsyncGenerator[DatasetListed]:
        """All data sets, newest first, page by page as they are asked for."""
        return each(self._sender, "/v1/datasets", DatasetListed, {"limit": page_size})

    async def dataset(self, dataset: Named | str) -> Dataset:
        """What a data set has. Raises: UnknownDataset."""
        return read(Dataset, await self._sender.json("GET", f"/v1/datasets/{path_of(dataset)}"))

    async def dataset_picture(self, dataset: Named | str, index: int) -> bytes:
        """One of its pictures, as PNG. Raises: UnknownDataset."""
        return await self._content(f"/v1/datasets/{path_of(dataset)}/pictures/{index}/content")

    async def change_caption(self, dataset: Named | str, index: int, caption: str) -> Dataset:
        """Gives a picture another caption. Raises: UnknownDataset."""
        path = f"/v1/datasets/{path_of(dataset)}/pictures/{index}"
        return read(Dataset, await self._sender.json("PATCH", path, json={"caption": caption}))

    async def delete_picture(self, dataset: Named | str, index: int) -> Dataset:
        """Removes a picture. Raises: UnknownDataset; DatasetInUse."""
        path = f"/v1/datasets/{path_of(dataset)}/pictures/{index}"
        return read(Dataset, await self._sender.json("DELETE", path))

    async def delete_dataset(self, dataset: Named | str) -> None:
        """Removes a data set. Raises: UnknownDataset; DatasetInUse."""
        await self._remove(f"/v1/datasets/{path_of(dataset)}")

    async def _send(self, path: str, lessons: Lessons, texts: dict[str, str]) -> DatasetSent:
        files = await self._transport.aside(lambda: parts_of(lessons))
        answer = await self._sender.json(
            "POST", f"/v1/datasets{path}", files=files, data=texts, read_seconds=JUDGING_SECONDS
        )
        return read(DatasetSent, answer)
