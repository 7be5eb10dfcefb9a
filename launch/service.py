"""One process that must keep running: started, restarted with backoff when it ends, stopped when the house closes."""

import asyncio
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 30.0
PR_SET_PDEATHSIG = 1


@dataclass
class Service:
    """A command that is kept running. `fds` are the file descriptors that it inherits."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    fds: tuple[int, ...] = ()
    process: asyncio.subprocess.Process | None = None

    async def keep_running(self) -> None:
        """Starts the process, and again whenever it ends; the pauses double while it ends soon after its start."""
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            started_at = time.monotonic()
            self.process = await self._start()
            status = await self.process.wait()
            if time.monotonic() - started_at > MAX_BACKOFF_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            logger.error("%s ended with status %d; starting it again in %.1f s", self.name, status, backoff)
            await asyncio.sleep(backoff)
            backoff = min(MAX_BACKOFF_SECONDS, backoff * 2)

    async def stop(self, timeout_seconds: float) -> None:
        """Asks the process to end, and ends it when it does not. A process that is not there is fine."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), timeout_seconds)
        except TimeoutError:
            logger.warning("%s does not stop; ending it", self.name)
            self.process.kill()
            await self.process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        # A session of its own keeps Ctrl-C with the launcher, which stops its processes in the right order.
        return await asyncio.create_subprocess_exec(
            *self.command,
            env=os.environ | self.environment,
            pass_fds=self.fds,
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )


def _die_with_parent() -> Callable[[], None] | None:
    """On Linux, a process asks for SIGTERM when its parent dies, so that a killed launcher leaves nobody behind."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
