"""The secrets that sign webhooks: one for every receiver of a tenant, made when it is first asked for."""

import base64
import hashlib
import secrets
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from contract.store_connection import StoreConnection

SECRET_BYTES = 32


class WebhookSecret(BaseModel):
    """A secret in force; the one before it still signs until `previous_until`."""

    model_config = ConfigDict(frozen=True)

    key: str
    created_at: datetime
    previous_key: str | None = None
    previous_until: datetime | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """All that sign now, the newest first."""
        return (self.key,) if self.previous_key is None else (self.key, self.previous_key)


class WebhookSecrets:
    """Promise: all processes sign with the same secrets, however many ask for a new one at once.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection

    async def read(self, tenant: str, name: str) -> WebhookSecret:
        """The secret of this name, which is made now if there is none."""
        return await self._run(tenant, name, "read", 0)

    async def rotate(self, tenant: str, name: str, *, overlap_seconds: float) -> WebhookSecret:
        """A new secret; the one before it signs beside it for `overlap_seconds`."""
        return await self._run(tenant, name, "rotate", overlap_seconds)

    async def _run(self, tenant: str, name: str, what: str, overlap_seconds: float) -> WebhookSecret:
        digest = hashlib.sha256(f"{tenant}\n{name}".encode()).hexdigest()
        key, created, previous, until = await self._connection.run(
            "webhook_secret", digest, what, _new_key(), overlap_seconds
        )
        return WebhookSecret(
            key=key,
            created_at=_time(created),
            previous_key=previous or None,
            previous_until=_time(until) if previous else None,
        )


def _new_key() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(float(text), UTC)
