"""What every process that takes jobs does first: threads that sleep while they wait, a name, an ear for signals."""

import asyncio
import os
import secrets
import signal
import socket


def settle_threads() -> None:
    """Threads that spin while they wait take the core from those that work, and waking them takes longer than most
    waits: they spin for some microseconds and then sleep. This must be called before torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def told_to_stop() -> asyncio.Event:
    """Set by SIGTERM and SIGINT from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    return stop


def fresh_name() -> str:
    """A name that no other process has, by which people find this one."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
