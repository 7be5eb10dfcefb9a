"""Bytes in, key out: a directory or any S3-compatible store, behind one library."""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store

from contract.errors import ArtifactStoreUnavailable, UnknownArtifact

logger = logging.getLogger(__name__)

PROBE_KEY = "probe"
"""What `probe` writes, again and again; no artifact has such a key."""

PROBE_BYTES = 65536
"""About a small picture: a full disk takes a byte for longer than that."""

PROBE_INTERVAL_SECONDS = 10.0
PROBE_TIMEOUT_SECONDS = 2.0
"""A store that has taken something so lately is not asked; one that takes so long takes nothing."""

CONNECT_TIMEOUT = timedelta(seconds=0.8)
REQUEST_TIMEOUT = timedelta(seconds=30)
STALL_TIMEOUT = timedelta(seconds=5)
"""How long a store elsewhere may take to be reached, for one request as a whole, and to say anything more of it."""

Headers = Mapping[str, str]
NO_HEADERS: Headers = MappingProxyType({})


class ArtifactStore:
    """Promise: keys are made by the server, each written once; what `get` finds is whole.

    All methods raise ArtifactStoreUnavailable when the store does not answer, or cannot take more.
    """

    def __init__(self, location: str) -> None:
        """`location` is a `file://` or `s3://` URL. A missing directory is made."""
        self._folder = _folder(location)
        self._store = _open(location, self._folder)
        self._taken_at = -PROBE_INTERVAL_SECONDS
        self._refused_at: float | None = None

    @property
    def refusing_seconds(self) -> float:
        """For how long the store has taken nothing; 0 while it takes what it is given."""
        return 0 if self._refused_at is None else time.monotonic() - self._refused_at

    async def put(self, key: str, content: bytes, headers: Headers = NO_HEADERS) -> None:
        """Stores bytes under a key that no other execution uses; a call that is repeated changes nothing.

        Whoever reads them at their `address` is answered with these headers.
        """
        with self._noted():
            await _put(self._store, key, content, headers)

    async def probe(self) -> None:
        """Finds out whether the store takes bytes, unless it has just taken some; `refusing_seconds` says so then."""
        if self._refused_at is None and time.monotonic() - self._taken_at < PROBE_INTERVAL_SECONDS:
            return
        with suppress(ArtifactStoreUnavailable, TimeoutError):
            async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                with self._noted():
                    await obstore.put_async(self._store, PROBE_KEY, bytes(PROBE_BYTES))

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """This notes whether the store takes what it is given meanwhile."""
        started_at = time.monotonic()
        try:
            with _unavailable("does not take bytes"):
                yield
        except (ArtifactStoreUnavailable, asyncio.CancelledError):
            self._refused_at = self._refused_at or started_at
            raise
        except FileNotFoundError as error:
            self._refused_at = self._refused_at or started_at
            raise ArtifactStoreUnavailable("The artifact store is not there.") from error
        self._taken_at, self._refused_at = time.monotonic(), None

    async def address(self, key: str, seconds: int) -> str | None:
        """Where whoever knows it reads the bytes with GET for so long, without us; None where nobody can.

        It is not looked whether the bytes are there.
        """
        if not isinstance(self._store, S3Store):
            return None
        with _unavailable("does not sign"):
            return await obstore.sign_async(self._store, "GET", key, timedelta(seconds=seconds))

    async def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes from `start` up to `end`. Raises: UnknownArtifact."""
        try:
            with _unavailable("does not answer"):
                if end is None:
                    result = await obstore.get_async(self._store, key)
                    return bytes(await result.bytes_async())[start:]
                return bytes(await obstore.get_range_async(self._store, key, start=start, end=end))
        except FileNotFoundError as error:
            raise UnknownArtifact("The bytes of this artifact are gone.") from error

    async def delete(self, key: str) -> None:
        """Removes one artifact's bytes; none there is fine."""
        with _unavailable("does not answer"), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, key)

    async def delete_all(self, prefix: str) -> None:
        """Removes everything below a prefix, what was never finished too; nothing there is fine."""
        if self._folder is not None:
            with _unavailable("does not answer"), suppress(FileNotFoundError):
                await asyncio.to_thread(shutil.rmtree, self._folder / prefix)
            return
        with _unavailable("does not answer"), suppress(FileNotFoundError):
            async for keys in self._keys(prefix):
                await obstore.delete_async(self._store, keys)

    async def _keys(self, prefix: str) -> AsyncIterator[list[str]]:
        async for page in obstore.list(self._store, prefix=prefix):
            yield [entry["path"] for entry in page]


@contextmanager
def _unavailable(how: str) -> Iterator[None]:
    """This turns the library's ways of saying that the store fails into one; that something is missing is none."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        logger.warning("the artifact store %s: %s", how, error)
        raise ArtifactStoreUnavailable(f"The artifact store {how}; the same request may succeed later.") from error


async def _put(store: LocalStore | S3Store, key: str, content: bytes, headers: Headers) -> None:
    if isinstance(store, LocalStore):  # It is written beside its place and moved there, whole.
        await obstore.put_async(store, key, content)
        return
    with suppress(AlreadyExistsError):
        await obstore.put_async(store, key, content, attributes=dict(headers), mode="create")


def _folder(location: str) -> Path | None:
    parts = urlsplit(location)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _open(location: str, folder: Path | None) -> LocalStore | S3Store:
    if folder is not None:
        return LocalStore(folder, mkdir=True, automatic_cleanup=True)
    store = obstore.store.from_url(
        location,
        client_options={
            # The library reads this variable only where it is given no options.
            "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true"),
            "connect_timeout": CONNECT_TIMEOUT,
            "timeout": REQUEST_TIMEOUT,
            "read_timeout": STALL_TIMEOUT,
        },
        retry_config={"max_retries": 1, "retry_timeout": CONNECT_TIMEOUT},
    )
    return cast(S3Store, store)
