"""Many HTTP clients in one process, of as little Python a call as will do, so that the server is what is measured."""

import asyncio
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

CANNED = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@dataclass(frozen=True, slots=True)
class Call:
    """What a client sends."""

    method: str
    path: str
    content: bytes = b""

    def as_bytes(self) -> bytes:
        """As HTTP/1.1."""
        head = f"{self.method} {self.path} HTTP/1.1\r\nhost: localhost\r\n"
        if self.method == "POST":
            head += f"content-type: application/json\r\ncontent-length: {len(self.content)}\r\n"
        return f"{head}\r\n".encode() + self.content


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and after how long."""

    seconds: float
    status: int
    content: bytes


async def send_all(port: int, calls: Iterable[Call], num_clients: int) -> list[Answer]:
    """The answers to all calls. Each client sends its next call when it has the answer to the one before.

    Raises: RuntimeError when an answer is not a good one.
    """
    waiting = iter(calls)
    lists = await asyncio.gather(*(_one_client(port, waiting) for _ in range(num_clients)))
    answers = [answer for answers in lists for answer in answers]
    if bad := next((answer for answer in answers if answer.status >= 300), None):
        raise RuntimeError(f"{bad.status}: {bad.content.decode()}")
    return answers


async def _one_client(port: int, waiting: Iterator[Call]) -> list[Answer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for call in waiting:
        started_at = time.perf_counter()
        writer.write(call.as_bytes())
        head = await reader.readuntil(b"\r\n\r\n")
        content = await reader.readexactly(_content_length(head))
        answers.append(Answer(time.perf_counter() - started_at, int(head[9:12]), content))
    writer.close()
    return answers


def _content_length(head: bytes) -> int:
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    return next(int(value) for name, _, value in lines if name.lower() == b"content-length")


def percentile_ms(answers: Sequence[Answer], percent: float) -> float:
    """Milliseconds within which so many of the calls were answered."""
    ordered = sorted(answer.seconds for answer in answers)
    return round(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] * 1000, 3)


async def ceiling_per_second(num_calls: int, num_clients: int) -> float:
    """How many calls a second these clients could send at most: to a server in this very process that does nothing."""
    server = await asyncio.start_server(_answer_nothing, "127.0.0.1", 0)
    async with server:
        calls = [Call("GET", "/")] * num_calls
        started_at = time.perf_counter()
        await send_all(server.sockets[0].getsockname()[1], calls, num_clients)
        return num_calls / (time.perf_counter() - started_at)


async def _answer_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not reader.at_eof():
        try:
            await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            break
        writer.write(CANNED)
    writer.close()
