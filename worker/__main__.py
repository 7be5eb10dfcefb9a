"""`python -m worker`: one worker, until it is told to stop."""

import asyncio
import sys

from contract.logs import configure_logs
from contract.settings import SettingError
from contract.tracing import NoExporterError, tracing
from worker.consumer import Consumer
from worker.manifests import manifest_writer
from worker.process import fresh_name, settle_threads, told_to_stop
from worker.settings import WorkerSettings


async def main() -> None:
    """Runs a worker until SIGTERM or SIGINT. Raises: SettingError."""
    settings = WorkerSettings()
    configure_logs(settings.worker_log_level, settings.log_format)
    manifest_writer(settings)
    stop = told_to_stop()
    with tracing("safelight-worker") as spans:
        await Consumer(settings, fresh_name(), spans.tracer).run(stop)


if __name__ == "__main__":
    settle_threads()
    try:
        asyncio.run(main())
    except (NoExporterError, SettingError) as error:
        sys.exit(f"safelight: {error}")
