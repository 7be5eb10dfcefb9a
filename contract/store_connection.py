"""The way to the job store's server: its timeouts, its scripts, and the one error that a broken way becomes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from contract.errors import StoreUnavailable
from contract.lines import GENERATIONS, LINES, Line
from contract.scripts import ScriptName, read_scripts

CALL_TIMEOUT_SECONDS = 0.55
"""A call to a frozen server times out, and then its retry does twice while it connects: within two seconds."""

CONNECT_TIMEOUT_SECONDS = CALL_TIMEOUT_SECONDS / 2

BLOCK_SECONDS = 4.0
"""The longest that one blocking read waits at the server; a connection that died unnoticed is left after that time."""

MAX_CONNECTIONS = 10_000
"""Per pool; each client that follows a job holds one of `blocking` for as long as it does."""

REFUSALS = ("MISCONF", "OOM", "LOADING", "READONLY", "BUSY ")
"""How a server's answer begins when it is there and cannot serve: a full disk or memory, a start, a long script."""

UNREACHABLE: tuple[type[RedisError], ...] = (ConnectionError, TimeoutError, OutOfMemoryError, ReadOnlyError)


@contextmanager
def unavailable_when_unreachable() -> Iterator[None]:
    """This turns the client's ways of saying that the server cannot serve into StoreUnavailable."""
    try:
        yield
    except UNREACHABLE as error:
        raise StoreUnavailable(f"The job store cannot be reached: {error}") from error
    except ResponseError as error:
        if not str(error).startswith(REFUSALS):
            raise
        raise StoreUnavailable(f"The job store does not serve now: {error}") from error


class StoreConnection:
    """Two pools to one server: `redis` for calls that answer at once, `blocking` for reads that wait."""

    def __init__(self, url: str) -> None:
        # The client's annotations leave open whether answers are text; here they always are.
        self.redis: Any = Redis.from_url(
            url,
            decode_responses=True,
            max_connections=MAX_CONNECTIONS,
            socket_timeout=CALL_TIMEOUT_SECONDS,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),
        )
        self.blocking: Any = Redis.from_url(
            url,
            decode_responses=True,
            max_connections=MAX_CONNECTIONS,
            socket_timeout=BLOCK_SECONDS + CALL_TIMEOUT_SECONDS,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._scripts = {
            (line.name, name): self.redis.register_script(source)
            for line in LINES
            for name, source in read_scripts(line.name).items()
        }

    async def run(self, script: ScriptName, *args: str | bytes | float, line: Line = GENERATIONS) -> Any:
        """The answer of a script, run for a line. Every script may safely be sent twice. Raises: StoreUnavailable."""
        with unavailable_when_unreachable():
            return await self._scripts[line.name, script](args=list(args))

    async def pipelined(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """The answers of commands that are sent together and change nothing. Raises: StoreUnavailable."""
        with unavailable_when_unreachable():
            if len(commands) == 1:
                return [await self.redis.execute_command(*commands[0])]
            async with self.redis.pipeline(transaction=False) as batch:
                for command in commands:
                    batch.execute_command(*command)
                return await batch.execute() if commands else []

    async def ping(self) -> None:
        """Asks for a sign of life. Raises: StoreUnavailable."""
        with unavailable_when_unreachable():
            await self.redis.ping()

    async def close(self) -> None:
        """Gives the connections back."""
        await self.redis.aclose()
        await self.blocking.aclose()
