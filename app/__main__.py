"""`python -m app`: one API process, on an address of its own or on a socket that its parent has bound."""

import argparse
import asyncio
import contextlib
import gc
import logging
import socket
import sys

import uvicorn
from pydantic import ValidationError

from app.main import create_app
from app.settings import AppSettings
from contract.errors import CatalogueInvalid, StoreUnavailable
from contract.exposure import NoKeyError, check_exposure
from contract.keys import KeyStore
from contract.logs import configure_logs
from contract.settings import SettingError
from contract.store_connection import StoreConnection
from contract.tracing import NoExporterError, Tracing, tracing

logger = logging.getLogger("safelight.app")

NEWCOMER_SECONDS = 1.0
"""How long a closing server listens to a connection that it has accepted and that has not said anything yet."""


class Server(uvicorn.Server):
    """A server that says so when it is about to wait for the requests in flight, and sends its last spans."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event, tracing: Tracing) -> None:
        super().__init__(config)
        self._closing = closing
        self._tracing = tracing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what waits, then the rest. After it uvicorn ends the process by the signal that it had."""
        self._closing.set()
        for server in self.servers:
            server.close()
        await self._hear_newcomers()
        await super().shutdown(sockets)
        await asyncio.to_thread(self._tracing.close)

    async def _hear_newcomers(self) -> None:
        """Waits for the first request of what is connected: uvicorn would hang up on somebody who is about to ask."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NEWCOMER_SECONDS):
                while any(getattr(connection, "cycle", ...) is None for connection in self.server_state.connections):
                    await asyncio.sleep(0.01)


async def serve(settings: AppSettings, listener: socket.socket | None, tracing: Tracing) -> None:
    """Serves until SIGINT or SIGTERM. Raises: NoKeyError, CatalogueInvalid, SettingError, OSError."""
    await judge_exposure(settings)
    closing = asyncio.Event()
    config = uvicorn.Config(
        create_app(settings, closing, tracing.tracer),
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    # What has been made until now stays: without this the collector looks through all of it, and every client waits.
    gc.collect()
    gc.freeze()
    await Server(config, closing, tracing).serve(None if listener is None else [listener])


async def judge_exposure(settings: AppSettings) -> None:
    """Says so when everybody may do everything. Raises: NoKeyError."""
    connection = StoreConnection(settings.store_url)
    try:
        if not await check_exposure(settings.host, KeyStore(connection), open_to_others=settings.open_to_others):
            logger.warning("There is no API key: whoever reaches %s may do everything", settings.host)
    except StoreUnavailable:
        logger.warning("The job store cannot be reached yet, so nobody knows whether there are API keys")
    finally:
        await connection.close()


def address_of(listener: socket.socket) -> str:
    """The address that a socket is bound to."""
    return str(listener.getsockname()[0]) if listener.family in (socket.AF_INET, socket.AF_INET6) else "localhost"


def main() -> None:
    """Reads the command line and the environment, and serves."""
    parser = argparse.ArgumentParser(prog="python -m app", description=__doc__)
    parser.add_argument("--fd", type=int, help="the file descriptor of a listening socket to serve on")
    listener_fd = parser.parse_args().fd
    try:
        settings = AppSettings()
        configure_logs(settings.log_level, settings.log_format)
        listener = None if listener_fd is None else socket.socket(fileno=listener_fd)
        if listener is not None:
            settings = settings.model_copy(update={"host": address_of(listener)})
        with tracing("safelight-api") as spans, contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(settings, listener, spans))
    except (CatalogueInvalid, SettingError, NoExporterError, NoKeyError, ValidationError, OSError) as error:
        sys.exit(f"safelight: {error}")


if __name__ == "__main__":
    main()
