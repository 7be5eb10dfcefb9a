"""The order of things on one machine: store, API, worker on the way up; worker, API, store on the way down."""

import asyncio
import fcntl
import logging
import os
import socket
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from contract.errors import StoreUnavailable
from contract.exposure import check_exposure
from contract.keys import KeyStore
from contract.store_connection import StoreConnection
from launch.embedded_store import server_command
from launch.service import Service
from launch.settings import LaunchSettings, num_cores

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1


class AlreadyRunningError(Exception):
    """Another launcher uses the same data directory."""


class House:
    """All processes of the service on this machine."""

    def __init__(self, settings: LaunchSettings) -> None:
        self._settings = settings
        self._listener = _listen(settings.host, settings.port)
        environment = {"SAFELIGHT_HOME": str(settings.home.resolve())}
        listener_fd = self._listener.fileno()
        api_command = [sys.executable, "-m", "app", "--fd", str(listener_fd)]
        self._api = Service("the API", api_command, environment, fds=(listener_fd,))
        self._workers = [*_workers(settings.num_workers, environment), *_teachers(settings, environment)]
        self._store = None if settings.redis_url else Service("the store", server_command(settings.store_socket))

    @property
    def address(self) -> str:
        """The URL at which the API listens."""
        host, port = self._listener.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def run(self, stop: asyncio.Event, announce: asyncio.Event) -> None:
        """Keeps everything running until `stop` is set; sets `announce` when a request would be served.

        Raises: NoKeyError.
        """
        keepers: list[asyncio.Task[None]] = []
        stopped = asyncio.create_task(stop.wait())
        try:
            if self._store is not None:
                keepers.append(asyncio.create_task(self._store.keep_running()))
            await _first(stopped, self._until_store_answers())
            if not stop.is_set():
                await self._check_exposure()
                keepers += [asyncio.create_task(service.keep_running()) for service in (self._api, *self._workers)]
                await _first(stopped, self._until_ready())
            if not stop.is_set():
                announce.set()
            await stopped
        finally:
            for keeper in keepers:
                keeper.cancel()
            await self._close()

    async def _close(self) -> None:
        stopping = [worker.stop(self._settings.stop_seconds) for worker in self._workers]
        await asyncio.gather(*stopping)
        for service in (self._api, self._store):
            if service is not None:
                await service.stop(self._settings.stop_seconds)
        self._listener.close()

    async def _until_store_answers(self) -> None:
        connection = StoreConnection(self._settings.store_url)
        while True:
            try:
                await connection.ping()
                return await connection.close()
            except StoreUnavailable:
                await asyncio.sleep(POLL_SECONDS)

    async def _check_exposure(self) -> None:
        connection = StoreConnection(self._settings.store_url)
        try:
            await check_exposure(
                self._settings.host, KeyStore(connection), open_to_others=self._settings.open_to_others
            )
        finally:
            await connection.close()

    async def _until_ready(self) -> None:
        while not await asyncio.to_thread(self._is_ready):
            await asyncio.sleep(POLL_SECONDS)

    def _is_ready(self) -> bool:
        host, port = self._listener.getsockname()[:2]
        connection = HTTPConnection(_local(host), port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


@contextmanager
def sole_use_of(home: Path) -> Iterator[None]:
    """This keeps a second launcher away from a data directory, for as long as this process lives.

    Raises: AlreadyRunningError.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunningError(f"Safelight is already running with {home}; see SAFELIGHT_HOME.") from error
        yield


async def _first(stopped: asyncio.Task[bool], work: Coroutine[None, None, None]) -> None:
    task = asyncio.create_task(work)
    await asyncio.wait([stopped, task], return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()


def _workers(number: int, environment: dict[str, str]) -> list[Service]:
    """Workers that share the cores, so that none waits for another's threads."""
    shared = environment | {"SAFELIGHT_NUM_THREADS": str(max(1, num_cores() // number))} | _chosen_threads()
    command = [sys.executable, "-m", "worker"]
    names = ["the worker"] if number == 1 else [f"worker {index}" for index in range(1, number + 1)]
    return [Service(name, command, shared) for name in names]


def _teachers(settings: LaunchSettings, environment: dict[str, str]) -> list[Service]:
    """Who teaches models: on all cores, as what it does there gives way to everything else."""
    if not settings.fine_tuning:
        return []
    threads = {"SAFELIGHT_NUM_THREADS": str(num_cores())} | _chosen_threads()
    return [Service("the teacher", [sys.executable, "-m", "worker.fine_tuning"], environment | threads)]


def _chosen_threads() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name == "SAFELIGHT_NUM_THREADS"}


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


def _local(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
