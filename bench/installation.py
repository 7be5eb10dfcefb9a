"""A store and an API process of the benchmark's own, without a worker, in a folder that is gone afterwards."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from redis import Redis
from redis.exceptions import RedisError

from launch.embedded_store import server_command

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
START_SECONDS = 60
ASK_AGAIN_SECONDS = 0.002


class Installation:
    """The embedded store under its own configuration, and one API process, which accepts jobs that nobody takes."""

    def __init__(self, home: Path, **environment: str) -> None:
        self._home = home
        self._socket = home / "store" / "valkey.sock"
        self._environment = {"SAFELIGHT_HOME": str(home)} | environment
        self._store = self._start_store()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        command = [sys.executable, "-m", "app", "--fd", str(self._listener.fileno())]
        self._api = start(command, self._environment, home / "log.txt", fds=(self._listener.fileno(),))
        until(self._answers)

    def close(self) -> None:
        """Ends both."""
        self._listener.close()
        for process in (self._api, self._store):
            end(process)

    def store_bytes(self) -> int:
        """The memory that the store uses for what it keeps, and for keeping it."""
        with Redis.from_url(f"unix://{self._socket}") as redis:
            return int(redis.info("memory")["used_memory"])

    def restart_store(self) -> float:
        """Kills the store; seconds from its new start until it answers with everything that it had."""
        self._store.send_signal(signal.SIGKILL)
        self._store.wait()
        self._socket.unlink(missing_ok=True)
        started_at = time.perf_counter()
        self._store = self._start_store()
        return time.perf_counter() - started_at

    def _start_store(self) -> subprocess.Popen[bytes]:
        process = start(server_command(self._socket), {}, self._home / "store.txt")
        until(self._store_serves)
        return process

    def _store_serves(self) -> bool:
        try:
            with Redis.from_url(f"unix://{self._socket}") as redis:
                return bool(redis.ping())
        except RedisError:
            return False

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def installed(**environment: str) -> Iterator[Installation]:
    """An installation with these variables in its environment."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        installation = Installation(Path(folder), **environment)
        try:
            yield installation
        finally:
            installation.close()


def start(
    command: list[str], environment: Mapping[str, str], log: Path, fds: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """A process whose output goes to the log."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output, pass_fds=fds
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Asks a process to end, and waits until it has."""
    process.terminate()
    process.wait(START_SECONDS)


def until(condition: Callable[[], T | None]) -> T:
    """The first true answer. Raises: TimeoutError."""
    deadline = time.monotonic() + START_SECONDS
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} was not met in {START_SECONDS} s")
        time.sleep(ASK_AGAIN_SECONDS)
    return answer
