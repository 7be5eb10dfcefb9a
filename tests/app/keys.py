"""Keys for tests: made in the store before an application starts, or while it runs."""

from datetime import timedelta

from contract.key_texts import KeyText
from contract.keys import KeyGrant, KeyStore, Scope
from contract.store_connection import StoreConnection

ALL: tuple[Scope, ...] = ("generate", "read", "admin")


def bearer(text: KeyText | str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def make_key(
    connection: StoreConnection, tenant: str = "acme", scopes: tuple[Scope, ...] = ALL, **granted: object
) -> KeyText:
    """A live key."""
    return await KeyStore(connection).create(KeyGrant(tenant=tenant, scopes=scopes, **granted))


async def make_expired_key(connection: StoreConnection) -> KeyText:
    """A key that was good for everything until a moment ago."""
    return await KeyStore(connection).create(KeyGrant(tenant="acme", scopes=ALL), timedelta(microseconds=1))


async def make_revoked_key(connection: StoreConnection) -> KeyText:
    """A key that is good for nothing any more."""
    text = await make_key(connection)
    await KeyStore(connection).revoke(text.id)
    return text
