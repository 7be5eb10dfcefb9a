"""The secrets that sign addresses of pictures: renewed every day, known by an id, gone when nothing holds by them."""

import secrets
from dataclasses import dataclass

from contract.store_connection import StoreConnection, unavailable_when_unreachable

SIGNING = "safelight:signing"
RENEWED_SECONDS = 24 * 3600
"""After this long another secret signs; the old one is still known for as long as its addresses hold."""


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """One secret, of 256 random bits. Units: `created_at` in Unix seconds by the server's clock."""

    id: str
    created_at: float
    secret: str

    def __repr__(self) -> str:
        """Without what would sign."""
        return f"SigningSecret({self.id})"


class SigningSecrets:
    """Promise: all processes sign with the same secret, and know every one whose addresses hold.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection
        self._redis = connection.redis

    async def all(self) -> dict[str, SigningSecret]:
        """Every secret by its id, the newest last."""
        with unavailable_when_unreachable():
            records = await self._redis.hgetall(SIGNING)
        found = [_read(secret_id, record) for secret_id, record in records.items()]
        return {one.id: one for one in sorted(found, key=lambda one: one.created_at)}

    async def renew(self, *, kept_seconds: float) -> None:
        """Makes a secret unless there is a young one, and forgets those that have signed nothing for `kept_seconds`."""
        fresh = (secrets.token_hex(4), secrets.token_hex(32))
        await self._connection.run("renew_signing", *fresh, RENEWED_SECONDS, kept_seconds)

    async def void(self) -> None:
        """Forgets all secrets: no address that was signed until now holds any longer."""
        await self._connection.run("renew_signing", "", "", 0, 0)


def _read(secret_id: str, record: str) -> SigningSecret:
    created_at, _, secret = record.partition(":")
    return SigningSecret(secret_id, float(created_at), secret)
