"""Short texts that are kept for one tenant under names, and forgotten when nobody has read them for a while."""

from contract.store_connection import StoreConnection, unavailable_when_unreachable
from contract.tenants import PUBLIC, index_of


class Notes:
    """Promise: what is put can be read by the same tenant, by nobody else, and is gone some time after its last use.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    def __init__(self, connection: StoreConnection, *, tenant: str = PUBLIC, kept_seconds: float) -> None:
        self._connection = connection
        self._redis = connection.redis
        self._tenant = tenant
        self._kept_seconds = kept_seconds

    def of(self, tenant: str) -> "Notes":
        """The same notes, as this tenant's."""
        return Notes(self._connection, tenant=tenant, kept_seconds=self._kept_seconds)

    async def put(self, name: str, text: str) -> None:
        """Keeps a text, in the place of what was there under this name."""
        with unavailable_when_unreachable():
            await self._redis.set(self._key(name), text, px=self._kept_milliseconds)

    async def get(self, name: str) -> str | None:
        """The text under this name, if there is one, which from now on is kept as long again."""
        with unavailable_when_unreachable():
            text: str | None = await self._redis.getex(self._key(name), px=self._kept_milliseconds)
        return text

    @property
    def _kept_milliseconds(self) -> int:
        return int(self._kept_seconds * 1000)

    def _key(self, name: str) -> str:
        return f"{index_of('safelight:notes', self._tenant)}:{name}"
