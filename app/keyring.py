"""The API keys as this process knows them: read beside the requests, so that none of them waits for the store."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from contract.errors import StoreUnavailable
from contract.keys import Key, KeyStore

logger = logging.getLogger("safelight.app")

REFRESH_SECONDS = 0.5


class Keyring:
    """Promise: what becomes of a key is known here within a second.

    While the store is away, what was known last holds: nobody can change a key meanwhile.
    """

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._version: str | None = None
        self._keys: Mapping[str, Key] | None = None

    async def follow(self, closing: asyncio.Event) -> None:
        """Keeps up with the store until the process ends."""
        while not closing.is_set():
            try:
                with suppress(StoreUnavailable):
                    await self.refresh()
            except Exception as error:
                # Records of another version, perhaps; what is known holds, and the next look may find others.
                logger.error("The API keys cannot be read: %s", type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Reads what has changed. Raises: StoreUnavailable."""
        version = await self._store.version()
        if self._keys is None or version != self._version:
            self._keys, self._version = await self._store.all(), version

    async def all(self) -> Mapping[str, Key]:
        """Every key by its id. Raises: StoreUnavailable, when none could be read since the start."""
        if self._keys is None:
            await self.refresh()
        return self._keys or {}

    async def find(self, key_id: str) -> Key | None:
        """One key; one that is not known yet is asked for. Raises: as `all`."""
        if key_id not in await self.all():
            with suppress(StoreUnavailable):
                await self.refresh()
        return (await self.all()).get(key_id)
