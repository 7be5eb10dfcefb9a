"""What blocking and asynchronous clients do differently, and nothing else: HTTP, waiting, and reading files."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar

import httpx

T = TypeVar("T")


class Transport(Protocol):
    """The few things that a call waits for."""

    @property
    def http(self) -> httpx.Client | httpx.AsyncClient:
        """Builds requests."""
        ...

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The answer, as soon as its headers are there."""
        ...

    async def read(self, response: httpx.Response) -> None:
        """Reads all of an answer."""
        ...

    def pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The bytes of an answer, as they come."""
        ...

    async def close(self, response: httpx.Response) -> None:
        """Ends an answer, however much of it has come."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        ...

    async def aside(self, function: Callable[[], T]) -> T:
        """What a function returns that blocks."""
        ...


class AsyncTransport:
    """Lets others run meanwhile."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The answer, as soon as its headers are there."""
        return await self.http.send(request, stream=True, follow_redirects=request.method == "GET")

    async def read(self, response: httpx.Response) -> None:
        """Reads all of an answer."""
        await response.aread()

    async def pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The bytes of an answer, as they come."""
        async for piece in response.aiter_bytes():
            yield piece

    async def close(self, response: httpx.Response) -> None:
        """Ends an answer, however much of it has come."""
        await response.aclose()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    async def aside(self, function: Callable[[], T]) -> T:
        """What a function returns that blocks."""
        return await asyncio.to_thread(function)


class BlockingTransport:
    """Never suspends: what is awaited here has been done when `await` returns."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The answer, as soon as its headers are there."""
        return self.http.send(request, stream=True, follow_redirects=request.method == "GET")

    async def read(self, response: httpx.Response) -> None:
        """Reads all of an answer."""
        response.read()

    async def pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The bytes of an answer, as they come."""
        for piece in response.iter_bytes():
            yield piece

    async def close(self, response: httpx.Response) -> None:
        """Ends an answer, however much of it has come."""
        response.close()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)  # noqa: ASYNC251

    async def aside(self, function: Callable[[], T]) -> T:
        """What a function returns that blocks."""
        return function()
