"""`python -m worker.fine_tuning`: teaches, one fine-tune at a time, until it is told to stop."""

import asyncio

from contract.logs import configure_logs
from worker.fine_tuning.parent import Parent
from worker.process import fresh_name, settle_threads, told_to_stop
from worker.settings import WorkerSettings


async def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    settings = WorkerSettings()
    configure_logs(settings.worker_log_level, settings.log_format)
    await Parent(settings, fresh_name()).run(told_to_stop())


if __name__ == "__main__":
    settle_threads()
    asyncio.run(main())
