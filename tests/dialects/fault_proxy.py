"""A proxy between a client and a server that loses answers: the server has answered, and the client never hears it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

METHODS = (b"POST ", b"GET ", b"PUT ", b"DELETE ")


class FaultProxy:
    """Passes bytes on between connections; of the first `num_to_lose` requests it loses the answers as they begin."""

    def __init__(self, server: str, num_to_lose: int) -> None:
        self._server = urlsplit(server)
        self._num_to_lose = num_to_lose
        self._serving: set[asyncio.Task[None]] = set()
        self.num_requests = 0
        self.num_lost = 0
        self.address = ""

    def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection of a client."""
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def end(self) -> None:
        """Breaks all connections off."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(self._server.hostname, self._server.port)
        asking = asyncio.ensure_future(self._ask(reader, to_server))
        try:
            with suppress(ConnectionError):
                await self._answer(from_server, writer)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            for end in (writer, to_server):
                end.transport.abort()
                with suppress(ConnectionError):
                    await end.wait_closed()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65536):
            self.num_requests += content.startswith(METHODS)
            writer.write(content)
            await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65536):
            if self.num_lost < self._num_to_lose:
                self.num_lost += 1
                return
            writer.write(content)
            await writer.drain()


@asynccontextmanager
async def losing_answers(server: str, num_to_lose: int = 1) -> AsyncIterator[FaultProxy]:
    """A proxy on a free port of this machine; blocking clients of it belong on another thread."""
    proxy = FaultProxy(server, num_to_lose)
    async with await asyncio.start_server(proxy.meet, "127.0.0.1", 0) as listener:
        host, port = listener.sockets[0].getsockname()
        proxy.address = f"http://{host}:{port}"
        yield proxy
        await proxy.end()
