"""The life of the child, as the parent leads it: each is heard to its end, and one that is stuck is replaced."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence

from contract.leases import Loss
from worker.child_process import ChildEnded, ChildProcess
from worker.messages import Generate, Ready, ToChild, ToParent
from worker.settings import WorkerSettings

logger = logging.getLogger(__name__)

MAX_BACKOFF_SECONDS = 30.0


class Supervisor:
    """Promise: there is one child at a time, or none; what is said while there is none is heard by nobody."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        hear: Callable[[ToParent], Awaitable[None]],
        lose: Callable[[Loss], Awaitable[None]],
    ) -> None:
        """`hear` is given all that a child says; `lose` why it ended, after that and before there is another."""
        self._settings = settings
        self._hear = hear
        self._lose = lose
        self._child: ChildProcess[ToChild, ToParent] | None = None
        self._heard_at = time.monotonic()
        self._loss: Loss = "lost"

    async def hear_children(self) -> None:
        """Starts a child and hears it to its end, again and again: at once, and later when it never becomes ready."""
        backoff = 0.0
        while True:
            was_ready = await self._hear_child()
            backoff = 0.0 if was_ready else backoff
            await asyncio.sleep(backoff)
            backoff = min(MAX_BACKOFF_SECONDS, max(1.0, backoff * 2))

    async def _hear_child(self) -> bool:
        """One child's life; says whether it became ready for work."""
        was_ready = False
        self._heard_at = time.monotonic()
        self._loss = "lost"
        try:
            self._child = ChildProcess(self._settings)
            async for message in self._child.messages():
                was_ready = was_ready or isinstance(message, Ready)
                self._heard_at = math.inf  # While we obey, for as long as the store may be away, we do not listen.
                await self._hear(message)
                self._heard_at = time.monotonic()
        except ChildEnded as error:
            logger.error("%s", error)
        self.end()
        await self._lose(self._loss)
        return was_ready

    def order(self, work: Generate) -> None:
        """Gives the child work; from now on its silence counts."""
        self._heard_at = max(self._heard_at, time.monotonic())
        self.tell(work)

    def tell(self, message: ToChild) -> None:
        """Says something to the child."""
        if self._child is not None:
            self._child.send(message)

    def replace_if_silent(self, job_ids: Sequence[str]) -> None:
        """Replaces a child that has these jobs and has said nothing for too long."""
        silent_seconds = time.monotonic() - self._heard_at
        if silent_seconds > self._settings.stall_seconds:
            self.replace(f"with {', '.join(job_ids)} it has been silent for {silent_seconds:.0f} s", "stalled")

    def replace(self, reason: str, loss: Loss) -> None:
        """Ends the child; its end makes room for the next."""
        if self._child is not None:
            logger.error("replacing the child: %s", reason)
            self._loss = loss
            self._child.kill()

    def end(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.end()
            self._child = None
