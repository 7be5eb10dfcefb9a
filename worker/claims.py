"""The parent's place at the queue: how it waits there, and how it takes a job so that none is lost on the way."""

import asyncio
import secrets
import time
from collections.abc import Sequence

from contract.leases import Lease, Leases
from worker.execution import until_available

COURTESY_SECONDS = 0.02
HELD_BACK_SECONDS = 0.05


class Claims:
    """Claims of one worker."""

    def __init__(self, leases: Leases, worker: str) -> None:
        self._leases = leases
        self._worker = worker

    async def work_waits(self, *, busy: bool) -> bool:
        """Whether there is a job to claim. One that has just come is left to idle workers first: it is sooner done
        on a device of its own than beside others. Raises: StoreUnavailable.
        """
        asked_at = time.monotonic()
        found = await self._leases.wait_for_work()
        if found and busy and time.monotonic() - asked_at > COURTESY_SECONDS:
            await asyncio.sleep(COURTESY_SECONDS)
        return found

    async def take(self, resident: Sequence[str]) -> Lease | None:
        """The next job, waiting for the store if need be; it is the same one when its answer was lost on the way.

        None, after a moment, when somebody was quicker, or what waits may not run now: its tenant has as much running
        as it may, or it has to run alone.
        """
        name = secrets.token_hex(8)
        lease = await until_available(lambda: self._leases.claim(self._worker, resident, name))
        if lease is None:
            await asyncio.sleep(HELD_BACK_SECONDS)
        return lease
