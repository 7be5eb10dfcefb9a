"""The secrets that sign webhooks: one for every receiver of a tenant, made when it is first asked for."""

import base64
import hashlib
import secrets
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from contract.errors import LimitExceeded
from contract.store_connection import StoreConnection
from contract.tenants import PUBLIC

SECRET_BYTES = 32

MAX_SECRETS = 1000
"""A tenant's receivers, each with a secret that is kept for good."""


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
    """One tenant's secrets. Promise: all processes sign with the same ones, however many ask for a new one at once.

    All methods raise LimitExceeded for one more than a tenant may have, and StoreUnavailable within two seconds when
    the server does not answer.
    """

    def __init__(self, connection: StoreConnection, tenant: str = PUBLIC) -> None:
        self._connection = connection
        self._tenant = tenant

    def of(self, tenant: str) -> "WebhookSecrets":
        """Another tenant's."""
        return WebhookSecrets(self._connection, tenant)

    async def read(self, name: str) -> WebhookSecret:
        """The secret of this name, which is made now if there is none."""
        return await self._run(name, "read", 0)

    async def rotate(self, name: str, *, overlap_seconds: float) -> WebhookSecret:
        """A new secret; the one before it signs beside it for `overlap_seconds`."""
        return await self._run(name, "rotate", overlap_seconds)

    async def _run(self, name: str, what: str, overlap_seconds: float) -> WebhookSecret:
        digest, owner = _digest(f"{self._tenant}\n{name}"), _digest(self._tenant)
        found = await self._connection.run(
            "webhook_secret", digest, what, _new_key(), overlap_seconds, owner, MAX_SECRETS
        )
        if not found:
            raise LimitExceeded(f"Webhooks have at most {MAX_SECRETS} receivers of different scheme, host and port.")
        key, created, previous, until = found
        return WebhookSecret(
            key=key,
            created_at=_time(created),
            previous_key=previous or None,
            previous_until=_time(until) if previous else None,
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _new_key() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(float(text), UTC)
