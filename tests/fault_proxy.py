"""A proxy that loses answers, all of one or all but its first bytes; or that answers itself, as gateways do."""

from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.relay import CHUNK_BYTES, Link, Relay

METHODS = (b"POST ", b"GET ", b"PUT ", b"DELETE ")
WHOLE = 10**9
"""A cut behind the end of every answer."""


class FaultProxy(Relay):
    """Each fault is for one answer; without faults, bytes pass as they are.

    `cuts` are after how many bytes of an answer its connection is reset, `answers` are given in place of the service's.
    """

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.cuts: deque[int] = deque()
        self.answers: deque[bytes] = deque()
        self.num_requests = 0
        self.num_lost = 0

    @property
    def address(self) -> str:
        """Where clients reach the service through it."""
        return f"http://{self.host}"

    def link(self, to_service: StreamWriter, to_client: StreamWriter) -> Link:
        return _Connection(self, to_service, to_client)


class _Connection:
    """One connection, on which one answer follows another."""

    def __init__(self, proxy: FaultProxy, to_service: StreamWriter, to_client: StreamWriter) -> None:
        self._proxy = proxy
        self._to_service = to_service
        self._to_client = to_client
        self._left: int | None = None

    async def ask(self, client: StreamReader) -> None:
        """Passes requests on, up to one that is answered here."""
        while data := await client.read(CHUNK_BYTES):
            self._left = None
            self._proxy.num_requests += data.startswith(METHODS)
            if self._proxy.answers:
                self._to_client.write(self._proxy.answers.popleft())
                await self._to_client.drain()
                return
            self._to_service.write(data)

    async def answer(self, service: StreamReader) -> None:
        """Passes answers on, up to one that is cut."""
        while data := await service.read(CHUNK_BYTES):
            if self._left is None:
                self._left = self._proxy.cuts.popleft() if self._proxy.cuts else WHOLE
            self._to_client.write(data[: self._left])
            await self._to_client.drain()
            self._left -= len(data)
            if self._left <= 0:
                self._proxy.num_lost += 1
                return


@asynccontextmanager
async def losing_answers(service: str, num_to_lose: int = 1) -> AsyncIterator[FaultProxy]:
    """A proxy that loses all of the first answers."""
    async with FaultProxy(service) as proxy:
        proxy.cuts.extend([0] * num_to_lose)
        yield proxy
