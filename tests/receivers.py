"""Receivers of webhooks: real HTTP servers on loopback, which behave as they are told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

from standardwebhooks import Webhook

from tests.waiting import wait_until_async

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Message:
    """One POST as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        """The body, parsed."""
        told: dict[str, Any] = json.loads(self.body)
        return told

    def verified(self, *keys: str) -> bool:
        """Whether every one of these secrets has signed it, as the library of Standard Webhooks sees it."""
        for key in keys:
            Webhook(key).verify(self.body, self.headers)
        return True


def answers(status: int, *headers: str) -> Answer:
    """Answers with a status."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} Said", "Content-Length: 0", *headers, "", ""]
        writer.write("\r\n".join(lines).encode())

    return answer


async def hangs(writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()


async def resets(writer: asyncio.StreamWriter) -> None:
    """Breaks the connection off."""
    writer.transport.abort()


async def says_nonsense(writer: asyncio.StreamWriter) -> None:
    """Answers, and not as HTTP has it."""
    writer.write(b"hello\r\n\r\n")


async def talks_without_end(writer: asyncio.StreamWriter) -> None:
    """Answers 200, and then goes on and on."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
        await writer.drain()


OK = answers(200)


@dataclass
class Receiver:
    """Behaves as `answers` say, one after the other, and as the last of them from then on."""

    url: str = ""
    answers: list[Answer] = field(default_factory=lambda: [OK])
    messages: list[Message] = field(default_factory=list)
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a connection until it or this receiver ends."""
        task = asyncio.create_task(self.serve(reader, writer))
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.messages.append(await _read(reader))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def received(self, number: int, timeout_seconds: float = 10) -> list[Message]:
        """The messages, once there are so many."""

        async def enough() -> bool:
            return len(self.messages) >= number

        try:
            await wait_until_async(enough, timeout_seconds)
        except AssertionError as error:
            raise AssertionError(f"{len(self.messages)} messages: {[m.told['type'] for m in self.messages]}") from error
        return self.messages

    @property
    def types(self) -> list[str]:
        return [message.told["type"].partition(".")[2] for message in self.messages]


async def _read(reader: asyncio.StreamReader) -> Message:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    request, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Message(request.split(" ")[1], headers, body)


@asynccontextmanager
async def receiving(*behaviour: Answer, tls: SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver(answers=list(behaviour) or [OK])
    server = await asyncio.start_server(receiver.connected, "127.0.0.1", 0, ssl=tls)
    receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        server.close()
        for task in receiver.serving:
            task.cancel()
        await asyncio.gather(*receiver.serving, return_exceptions=True)
