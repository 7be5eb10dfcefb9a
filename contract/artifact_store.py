"""Bytes in, key out: a directory or any S3-compatible store, behind one library."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store

from contract.errors import StoreUnavailable, UnknownArtifact

Headers = Mapping[str, str]
NO_HEADERS: Headers = MappingProxyType({})


class ArtifactStore:
    """Promise: keys are made by the server, each written once; what `get` finds is whole.

    All methods raise StoreUnavailable when the store does not answer.
    """

    def __init__(self, location: str) -> None:
        """`location` is a `file://` or `s3://` URL. A missing directory is made."""
        self._store = _open(location)

    async def put(self, key: str, content: bytes, headers: Headers = NO_HEADERS) -> None:
        """Stores bytes under a key that no other execution uses; a call that is repeated changes nothing.

        Whoever reads them at their `address` is answered with these headers.
        """
        try:
            await _put(self._store, key, content, headers)
        except BaseError as error:
            raise StoreUnavailable(f"The artifact store does not accept bytes: {error}") from error

    async def address(self, key: str, seconds: int) -> str | None:
        """Where whoever knows it reads the bytes with GET for so long, without us; None where nobody can.

        It is not looked whether the bytes are there.
        """
        if not isinstance(self._store, S3Store):
            return None
        try:
            return await obstore.sign_async(self._store, "GET", key, timedelta(seconds=seconds))
        except BaseError as error:
            raise StoreUnavailable(f"The artifact store does not sign: {error}") from error

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


async def _put(store: LocalStore | S3Store, key: str, content: bytes, headers: Headers) -> None:
    if isinstance(store, LocalStore):  # It is written beside its place and moved there, whole.
        await obstore.put_async(store, key, content)
        return
    with suppress(AlreadyExistsError):
        await obstore.put_async(store, key, content, attributes=dict(headers), mode="create")


def _open(location: str) -> LocalStore | S3Store:
    parts = urlsplit(location)
    if parts.scheme == "file":
        return LocalStore(Path(url2pathname(parts.path)), mkdir=True)
    store = obstore.store.from_url(
        location,
        client_options={
            # The library reads this variable only where it is given no options.
            "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true"),
            "connect_timeout": timedelta(seconds=0.8),
            "timeout": timedelta(seconds=30),
        },
        retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=0.8)},
    )
    return cast(S3Store, store)
