"""`python -m launch`: the whole service on this machine, until Ctrl-C."""

import asyncio
import signal
import sys

from contract.exposure import NoKeyError
from contract.logs import configure_logs
from launch.embedded_store import NoServerError
from launch.house import AlreadyRunningError, House, sole_use_of
from launch.settings import LaunchSettings

WELCOME = """
Safelight is ready at {address} (API documentation: {address}/docs). Try:

  curl -s -X POST {address}/v1/generations -H 'Prefer: wait=30' \\
    -H 'content-type: application/json' -d '{{"prompt": "a red apple", "seed": 7}}'

Ctrl-C stops it; what is queued then goes on after the next start.
"""


async def main(settings: LaunchSettings) -> None:
    """Runs the house until SIGINT or SIGTERM."""
    stop, ready = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    house = House(settings)
    print(f"Starting Safelight at {house.address} …", flush=True)
    running = asyncio.create_task(house.run(stop, ready))
    welcome = asyncio.create_task(ready.wait())
    await asyncio.wait([running, welcome], return_when=asyncio.FIRST_COMPLETED)
    if ready.is_set():
        print(WELCOME.format(address=house.address), flush=True)
    await running
    welcome.cancel()


if __name__ == "__main__":
    try:
        settings = LaunchSettings()
        configure_logs("info", settings.log_format)
        with sole_use_of(settings.home):
            asyncio.run(main(settings))
    except (AlreadyRunningError, NoKeyError, NoServerError, OSError) as error:
        sys.exit(f"safelight: {error}")
