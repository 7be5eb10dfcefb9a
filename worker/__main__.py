"""`python -m worker`: one worker, until it is told to stop."""

import asyncio
import os
import secrets
import signal
import socket
import sys

from contract.logs import configure_logs
from contract.settings import SettingError
from contract.tracing import NoExporterError, tracing
from worker.consumer import Consumer
from worker.manifests import manifest_writer
from worker.settings import WorkerSettings


async def main() -> None:
    """Runs a worker until SIGTERM or SIGINT. Raises: SettingError."""
    settings = WorkerSettings()
    configure_logs(settings.worker_log_level, settings.log_format)
    manifest_writer(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    with tracing("safelight-worker") as spans:
        await Consumer(settings, name, spans.tracer).run(stop)


if __name__ == "__main__":
    # Threads that spin while they wait take the core from those that work, and waking them takes longer than most
    # waits: they spin for some microseconds and then sleep. This must stand before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        asyncio.run(main())
    except (NoExporterError, SettingError) as error:
        sys.exit(f"safelight: {error}")
