"""Bytes passed on between a client and a service, by something in between that tests may have fail."""

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

CHUNK_BYTES = 65536


class Link(Protocol):
    """One connection. It ends when either way has ended."""

    async def ask(self, client: StreamReader) -> None:
        """Passes on what the client says."""

    async def answer(self, service: StreamReader) -> None:
        """Passes on what the service says."""


class Relay:
    """Listens on a port of this machine; as a context it may be left and entered again, and has the same port."""

    def __init__(self, service: str) -> None:
        """`service` is an `http://` or a `unix://` address."""
        self._service = urlsplit(service)
        self._port = 0
        self._open: dict[StreamWriter, asyncio.Task[None]] = {}

    @property
    def host(self) -> str:
        """Where it listens: address and port."""
        return f"127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        """Listens, and does so again at the same address."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Refuses connections, and resets those that there are."""
        self._server.close()
        await self.reset()

    async def reset(self) -> None:
        """Resets the connections that there are."""
        ending = list(self._open.values())
        for writer in list(self._open):
            _reset(writer)
        await asyncio.gather(*ending)

    def link(self, to_service: StreamWriter, to_client: StreamWriter) -> Link:
        """What becomes of a new connection."""
        raise NotImplementedError

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._open[writer] = asyncio.ensure_future(self._serve(reader, writer))
        self._open[writer].add_done_callback(lambda done: self._open.pop(writer))

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            upstream, to_service = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        link = self.link(to_service, writer)
        await _until_one_ends(link.ask(reader), link.answer(upstream))
        for end in (to_service, writer):
            end.transport.abort()
            await asyncio.gather(end.wait_closed(), return_exceptions=True)

    async def _connect(self) -> tuple[StreamReader, StreamWriter]:
        if self._service.scheme == "unix":
            return await asyncio.open_unix_connection(self._service.path)
        return await asyncio.open_connection(self._service.hostname, self._service.port)


def _reset(writer: StreamWriter) -> None:
    """Ends a connection so that the other side is told of a reset, whatever is on its way there."""
    connection = writer.get_extra_info("socket")
    if connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _until_one_ends(*ways: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(way) for way in ways]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
