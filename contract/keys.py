"""API keys in Redis: whose they are, what they allow, how long they hold; made, replaced and ended."""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.errors import KeyEnded, UnknownKey
from contract.job import Priority
from contract.key_texts import KeyText
from contract.quotas import Allowance, Quota
from contract.store_connection import StoreConnection, unavailable_when_unreachable
from contract.tenants import TENANT

Scope = Literal["generate", "read", "admin"]
"""`read` reads; `generate` makes, sends, cancels and removes; `admin` is for the operator's own pages."""

KEYS = "safelight:keys"
VERSION = "safelight:keys:version"


class KeyGrant(BaseModel):
    """What a key is made with."""

    model_config = ConfigDict(frozen=True)

    tenant: str = Field(pattern=f"^{TENANT.pattern}$")
    scopes: tuple[Scope, ...] = Field(min_length=1)
    priorities: tuple[Priority, ...] = Field(default=("low", "normal"), min_length=1)
    quota: Quota = Quota()
    note: str = Field(default="", max_length=200)


class Key(KeyGrant):
    """What is kept of a key. `digest` is the SHA-256 of its secret, which is kept nowhere.

    `account` is the id of the key that this one goes back to over all rotations; they draw from one bucket.
    """

    id: str
    account: str
    digest: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> Literal["live", "expired", "revoked"]:
        """Whether it opens anything."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "live"

    @property
    def allowance(self) -> Allowance:
        """What may be asked for with it."""
        return Allowance(self.quota, self.account)

    def matches(self, text: KeyText) -> bool:
        """Whether this is the key's own secret; a wrong one takes as long as the right one."""
        return hmac.compare_digest(self.digest, text.digest)


class KeyStore:
    """Promise: a key is kept for good, also when it has ended, so that a service that had keys is never open to all.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection
        self._redis = connection.redis

    async def version(self) -> str | None:
        """A word that changes with every change of a key; None while there never was one."""
        with unavailable_when_unreachable():
            version: str | None = await self._redis.get(VERSION)
        return version

    async def all(self) -> dict[str, Key]:
        """Every key by its id, the oldest first."""
        with unavailable_when_unreachable():
            records = await self._redis.hgetall(KEYS)
        keys = sorted(map(Key.model_validate_json, records.values()), key=lambda key: (key.created_at, key.id))
        return {key.id: key for key in keys}

    async def create(self, grant: KeyGrant, lifetime: timedelta | None = None) -> KeyText:
        """A new key: the only time that its text is seen. Raises: KeyEnded, when another key is changed meanwhile."""
        text, key = _fresh(grant, lifetime)
        await self._keep(await self.version(), key)
        return text

    async def rotate(self, key_id: str, overlap: timedelta) -> KeyText:
        """A new key that allows what the old one does, for as long; the old one ends after the overlap.

        Raises: UnknownKey, KeyEnded.
        """
        version = await self.version()
        old = await self._live(key_id)
        lifetime = None if old.expires_at is None else old.expires_at - old.created_at
        text, new = _fresh(old, lifetime, old.account)
        ends = _now() + overlap
        await self._keep(version, new, old.model_copy(update={"expires_at": min(ends, old.expires_at or ends)}))
        return text

    async def revoke(self, key_id: str) -> None:
        """The end of a key, at once. Raises: UnknownKey, KeyEnded."""
        version = await self.version()
        key = await self._live(key_id)
        await self._keep(version, key.model_copy(update={"revoked_at": _now()}))

    async def _live(self, key_id: str) -> Key:
        keys = await self.all()
        if key_id not in keys:
            raise UnknownKey(f"There is no key {key_id!r}.")
        if (state := keys[key_id].state(_now())) != "live":
            raise KeyEnded(f"The key {key_id} is {state}.")
        return keys[key_id]

    async def _keep(self, version: str | None, *keys: Key) -> None:
        parts = [part for key in keys for part in (key.id, key.model_dump_json())]
        if not await self._connection.run("keep_keys", version or "", *parts):
            raise KeyEnded("Keys were changed meanwhile; try again.")


def _fresh(grant: KeyGrant, lifetime: timedelta | None, account: str | None = None) -> tuple[KeyText, Key]:
    text, now = KeyText.fresh(), _now()
    granted = {name: getattr(grant, name) for name in KeyGrant.model_fields}
    expires_at = None if lifetime is None else now + lifetime
    return text, Key(
        **granted, id=text.id, account=account or text.id, digest=text.digest, created_at=now, expires_at=expires_at
    )


def _now() -> datetime:
    return datetime.now(UTC)
