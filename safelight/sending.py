"""From a call to a good answer: its request, and the tries that it takes.

What is sent again does nothing twice that matters: a job is made once under its idempotency key, a file that was stored
twice is only stored twice. Where that is not so, a request has one try.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import httpx

from safelight.errors import ConnectionFailed, ServiceError, UnexpectedAnswer
from safelight.retries import pause_seconds, said_no
from safelight.settings import Settings
from safelight.transports import Transport

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Sender:
    """Promise: what is lost or refused is raised as a ConnectionFailed or a ServiceError, after all tries."""

    transport: Transport
    settings: Settings

    @property
    def once(self) -> "Sender":
        """The same, with one try for each request."""
        return replace(self, settings=replace(self.settings, max_retries=0))

    async def json(self, method: str, path: str, **parts: Any) -> Any:
        """The JSON that answers a call. Raises: UnexpectedAnswer."""
        response = await self.whole(self.request(method, path, **parts))
        try:
            return response.json()
        except ValueError as error:
            raise UnexpectedAnswer(f"{response.request.url} does not answer in JSON.") from error

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        read_seconds: float | None = None,
        **parts: Any,
    ) -> httpx.Request:
        """A request under the service's address. `read_seconds` is the longest silence that it bears."""
        seconds = self.settings.timeout_seconds
        return self.transport.http.build_request(
            method,
            f"{self.settings.address}{path}",
            headers={**self.settings.headers, **headers},
            timeout=httpx.Timeout(seconds, read=read_seconds or seconds),
            **parts,
        )

    async def whole(self, request: httpx.Request) -> httpx.Response:
        """The good answer, all of it."""
        return await self._tried(lambda: self._whole(request))

    @asynccontextmanager
    async def stream(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        """The good answer, of which nothing has been read yet. What is lost while it is read is not tried again."""
        response = await self._tried(lambda: self._opened(request))
        try:
            with reported(request):
                yield response
        finally:
            await self.transport.close(response)

    async def _tried(self, attempt: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        num_tries = 0
        while True:
            num_tries += 1
            try:
                return await attempt()
            except (ConnectionFailed, ServiceError) as error:
                error.num_tries = num_tries
                pause = pause_seconds(error)
                if pause is None or num_tries > self.settings.max_retries:
                    raise
            await self.transport.sleep(pause)

    async def _whole(self, request: httpx.Request) -> httpx.Response:
        response = await self._opened(request)
        with reported(request):
            await self.transport.read(response)
        return response

    async def _opened(self, request: httpx.Request) -> httpx.Response:
        with reported(request):
            response = await self.transport.send(request)
            if response.is_success:
                return response
            await self.transport.read(response)
        raise said_no(response)


@contextmanager
def reported(request: httpx.Request) -> Iterator[None]:
    """Says of what is lost on the way where it was going. Raises: ConnectionFailed."""
    try:
        yield
    except httpx.TransportError as error:
        problem = str(error) or type(error).__name__
        raise ConnectionFailed(f"{request.url.copy_with(path='/', query=None)}: {problem}") from error
