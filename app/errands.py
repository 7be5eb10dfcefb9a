"""What is still to be done when the call that wanted it is over, and may not be interrupted as the call was."""

import asyncio
from collections.abc import Coroutine

from app.waiting import stop


class Errands:
    """Promise: what has begun goes on, whatever becomes of its call, to its end or to that of `finish`."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, errand: Coroutine[None, None, None]) -> None:
        """Begins without waiting, so that no cancellation can come between."""
        task = asyncio.create_task(errand)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def finish(self, timeout_seconds: float) -> None:
        """Waits for what is under way, and ends what takes longer."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_seconds)
        await stop(self._running)
