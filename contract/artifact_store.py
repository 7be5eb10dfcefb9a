"""Bytes in, key out: a directory or any S3-compatible store, behind one library."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store

from contract.errors import StoreUnavailable, UnknownArtifact

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

Headers = Mapping[str, str]
NO_HEADERS: Headers = MappingProxyType({})

TIMEOUTS: "ClientConfig" = {"connect_timeout": "2s", "timeout": "30s"}
RETRIES: "RetryConfig" = {"max_retries": 2, "retry_timeout": timedelta(seconds=5)}
"""Of one call; who can wait tries again, and who cannot is told within seconds."""


class ArtifactStore:
    """Promise: keys are made by the server, each written once; what `get` finds is whole.

    All methods raise StoreUnavailable when the store does not answer.
    """

    def __init__(self, location: str) -> None:
        """`location` is a `file://` or `s3://` URL. A missing directory is made."""
        self._store = _open(location)
        self.num_failures = 0
        """How often it did not answer, or refused what it should take."""

    async def put(self, key: str, content: bytes, headers: Headers = NO_HEADERS) -> None:
        """Stores bytes under a key that no other execution uses; a call that is repeated changes nothing.

        Whoever reads an `address` is answered with these headers.
        """
        with self._answering("does not accept bytes"), suppress(AlreadyExistsError):
            if isinstance(self._store, S3Store):
                await obstore.put_async(self._store, key, content, attributes=dict(headers), mode="create")
            else:  # It is written beside its place and moved there, whole.
                await obstore.put_async(self._store, key, content)

    async def address(self, key: str, seconds: int) -> str | None:
        """Where whoever knows it reads the bytes with GET for so long, without us; None where nobody can.

        It is not looked whether the bytes are there.
        """
        if not isinstance(self._store, S3Store):
            return None
        with self._answering("does not sign"):
            return await obstore.sign_async(self._store, "GET", key, timedelta(seconds=seconds))

    async def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes from `start` up to `end`. Raises: UnknownArtifact."""
        with self._answering("does not answer"):
            try:
                if end is None:
                    result = await obstore.get_async(self._store, key)
                    return bytes(await result.bytes_async())[start:]
                return bytes(await obstore.get_range_async(self._store, key, start=start, end=end))
            except FileNotFoundError as error:
                raise UnknownArtifact("The bytes of this artifact are gone.") from error

    async def delete(self, key: str) -> None:
        """Removes one artifact's bytes; none there is fine."""
        with self._answering("does not remove"), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, key)

    async def delete_all(self, prefix: str) -> None:
        """Removes everything below a prefix; nothing there is fine."""
        with self._answering("does not remove"), suppress(FileNotFoundError):
            async for keys in self._keys(prefix):
                await obstore.delete_async(self._store, keys)

    async def _keys(self, prefix: str) -> AsyncIterator[list[str]]:
        async for page in obstore.list(self._store, prefix=prefix):
            yield [entry["path"] for entry in page]

    @contextmanager
    def _answering(self, otherwise: str) -> Iterator[None]:
        """This turns the library's errors into StoreUnavailable, but for those that are answers."""
        try:
            yield
        except (FileNotFoundError, AlreadyExistsError):
            raise
        except BaseError as error:
            self.num_failures += 1
            raise StoreUnavailable(f"The artifact store {otherwise}: {error}") from error


def _open(location: str) -> LocalStore | S3Store:
    parts = urlsplit(location)
    if parts.scheme == "file":
        return LocalStore(Path(url2pathname(parts.path)), mkdir=True)
    store = obstore.store.from_url(location, client_options=TIMEOUTS, retry_config=RETRIES)
    return cast(S3Store, store)
