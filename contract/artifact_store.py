"""Bytes in, key out: a directory or any S3-compatible store, behind one library."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from contract.errors import StoreUnavailable, UnknownArtifact


class ArtifactStore:
    """Promise: keys are made by the server, each written once; what `get` finds is whole.

    All methods raise StoreUnavailable when the store does not answer.
    """

    def __init__(self, location: str) -> None:
        """`location` is a `file://` or `s3://` URL. A missing directory is made."""
        self._store = _open(location)

    async def put(self, key: str, content: bytes) -> None:
        """Stores bytes under a key that no other execution uses."""
        try:
            await obstore.put_async(self._store, key, content)
        except BaseError as error:
            raise StoreUnavailable(f"The artifact store does not accept bytes: {error}") from error

    async def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes from `start` up to `end`. Raises: UnknownArtifact."""
        try:
            if end is None:
                result = await obstore.get_async(self._store, key)
                return bytes(await result.bytes_async())[start:]
            return bytes(await obstore.get_range_async(self._store, key, start=start, end=end))
        except FileNotFoundError as error:
            raise UnknownArtifact("The bytes of this artifact are gone.") from error
        except BaseError as error:
            raise StoreUnavailable(f"The artifact store does not answer: {error}") from error

    async def delete(self, key: str) -> None:
        """Removes one artifact's bytes; none there is fine."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise StoreUnavailable(f"The artifact store does not answer: {error}") from error

    async def delete_all(self, prefix: str) -> None:
        """Removes everything below a prefix; nothing there is fine."""
        try:
            async for keys in self._keys(prefix):
                await obstore.delete_async(self._store, keys)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise StoreUnavailable(f"The artifact store does not answer: {error}") from error

    async def _keys(self, prefix: str) -> AsyncIterator[list[str]]:
        async for page in obstore.list(self._store, prefix=prefix):
            yield [entry["path"] for entry in page]


def _open(location: str) -> LocalStore | S3Store:
    parts = urlsplit(location)
    if parts.scheme == "file":
        return LocalStore(Path(url2pathname(parts.path)), mkdir=True)
    return cast(S3Store, obstore.store.from_url(location))
