"""The API keys as this process knows them: read beside the requests, so that none of them waits for the store.

With them come the secrets that sign addresses, which have the same readers and the same promise.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress

from contract.errors import StoreUnavailable
from contract.keys import Key, KeyStore
from contract.signing import RENEWED_SECONDS, SigningSecret, SigningSecrets

logger = logging.getLogger("safelight.app")

REFRESH_SECONDS = 0.5


class Keyring:
    """Promise: what becomes of a key is known here within a second.

    While the store is away, what was known last holds: nobody can change a key meanwhile.
    """

    def __init__(self, store: KeyStore, signing: SigningSecrets, *, signed_seconds: float) -> None:
        """`signed_seconds` is how long a signed address holds."""
        self._store = store
        self._signing = signing
        self._signed_seconds = signed_seconds
        self._version: str | None = None
        self._keys: Mapping[str, Key] | None = None
        self._secrets: dict[str, SigningSecret] = {}

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
            self._secrets = await self._signing.all()
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

    async def signing_secret(self) -> SigningSecret:
        """The secret that signs now. Raises: StoreUnavailable, when there is none and none can be made."""
        newest = self._newest
        if newest is not None and time.time() - newest.created_at < RENEWED_SECONDS:
            return newest
        try:
            await self._signing.renew(kept_seconds=self._signed_seconds)
            await self.refresh()
        except StoreUnavailable:
            if newest is None:
                raise
        if self._newest is None:
            raise StoreUnavailable("The secrets that sign addresses were forgotten meanwhile.")
        return self._newest

    async def find_secret(self, secret_id: str) -> SigningSecret | None:
        """One secret that has signed; one that is not known yet is asked for."""
        if secret_id not in self._secrets:
            with suppress(StoreUnavailable):
                await self.refresh()
        return self._secrets.get(secret_id)

    @property
    def _newest(self) -> SigningSecret | None:
        return next(reversed(self._secrets.values()), None)
