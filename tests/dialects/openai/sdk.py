"""The real SDK, as a client of a server or of an application in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import openai

from app.main import create_app
from app.settings import AppSettings
from tests.app.conftest import Started


@asynccontextmanager
async def sdk_of(settings: AppSettings, closing: asyncio.Event | None = None) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK, as a client of an application in this process, which ends when `closing` is set."""
    app = create_app(settings, closing)
    async with app.router.lifespan_context(app) as state:
        transport = httpx2.ASGITransport(Started(app, state))
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http_client:
            yield openai.AsyncOpenAI(base_url="http://test/v1", api_key="k", max_retries=0, http_client=http_client)


class SDK:
    """The SDK in one of its two flavours, used alike."""

    def __init__(self, address: str, flavour: str, **options: Any) -> None:
        kind = openai.OpenAI if flavour == "sync" else openai.AsyncOpenAI
        self._client = kind(base_url=f"{address}/v1", **{"api_key": "k", "max_retries": 0} | options)

    async def __call__(self, call: Callable[[Any], Any]) -> Any:
        """What a call of the client returns."""
        if isinstance(self._client, openai.OpenAI):
            return await asyncio.to_thread(call, self._client)
        return await call(self._client)

    async def events(self, call: Callable[[Any], Any]) -> list[Any]:
        """All events of a stream."""
        if isinstance(self._client, openai.OpenAI):
            return await asyncio.to_thread(lambda: list(call(self._client)))
        return [event async for event in await call(self._client)]

    async def close(self) -> None:
        if isinstance(self._client, openai.OpenAI):
            self._client.close()
        else:
            await self._client.close()


@asynccontextmanager
async def using(address: str, flavour: str = "async", **options: Any) -> AsyncIterator[SDK]:
    """The SDK as a client of a server."""
    sdk = SDK(address, flavour, **options)
    yield sdk
    await sdk.close()
