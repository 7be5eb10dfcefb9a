"""The client for asyncio."""

from types import TracebackType
from typing import Self, Unpack

import httpx

from safelight.calls import Calls
from safelight.settings import Patience, Settings
from safelight.transports import AsyncTransport


class AsyncSafelight(Calls):
    """Safelight over HTTP, for asyncio.

    Without an `address` it is `SAFELIGHT_ADDRESS`, else http://127.0.0.1:8000; without an `api_key`,
    `SAFELIGHT_API_KEY`. An `http_client` of your own (proxies, certificates) is used as it is, and stays open. How
    patient a client is, `settings.Settings` says.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        api_key: str | None = None,
        http_client: httpx.AsyncClient | None = None,
        **patience: Unpack[Patience],
    ) -> None:
        settings = Settings.of(address, api_key, **patience)
        http = http_client or httpx.AsyncClient()
        self._own = http if http_client is None else None
        super().__init__(AsyncTransport(http), settings)

    async def close(self) -> None:
        """Closes the connections."""
        if self._own is not None:
            await self._own.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
