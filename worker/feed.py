"""When a worker takes a job, and whose: while it has room, and beyond that for tenants with less than their share."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection

from contract.artifact_store import ArtifactStore
from contract.leases import Lease, Leases
from worker.execution import until_available
from worker.fitness import Fitness
from worker.in_flight import InFlight
from worker.tally import Tally

COURTESY_SECONDS = 0.02
HELD_BACK_SECONDS = 0.05


class Feed:
    """Takes one job after the other, for `start` to begin with. All methods raise StoreUnavailable."""

    def __init__(
        self,
        worker: str,
        leases: Leases,
        executions: InFlight,
        tally: Tally,
        *,
        artifacts: ArtifactStore,
        fitness: Fitness,
        ready: asyncio.Event,
        start: Callable[[Lease], Awaitable[None]],
    ) -> None:
        self._worker = worker
        self._leases = leases
        self._executions = executions
        self._tally = tally
        self._artifacts = artifacts
        self._fitness = fitness
        self._ready = ready
        self._start = start
        self._sated_in_vain: frozenset[str] | None = None
        self._taking: asyncio.Task[bool] | None = None
        self.changed = asyncio.Event()
        """Set whenever there may be more room than before."""

    def hear_of_arrival(self) -> None:
        """Somebody waits who did not wait before, or may do: a full worker asks again."""
        self._sated_in_vain = None
        self.changed.set()

    async def feed(self) -> None:
        """Takes at most one job, as soon as the child is ready and there is one for this worker."""
        await self._ready.wait()
        if self._fitness.needs_proof or self._artifacts.refusing_seconds:
            await self._until_changed()
        elif self._executions.is_full(self._tally.row_cap):
            await self._feed_the_full()
        elif await self._work_waits() and self._ready.is_set() and not await self._take():
            # Somebody was quicker, or what waits may not run yet: its tenant has as much running as it may.
            await asyncio.sleep(HELD_BACK_SECONDS)

    async def _feed_the_full(self) -> None:
        """Takes a job of a tenant with less than its share, if there is one; asks again when there may be."""
        sated = self._executions.sated(self._tally.row_cap)
        if sated is None or sated == self._sated_in_vain:
            await self._until_changed()
            return
        self._sated_in_vain = sated
        await asyncio.sleep(COURTESY_SECONDS)
        if await self._take(sated):
            self._sated_in_vain = None

    async def _until_changed(self) -> None:
        self.changed.clear()
        await self.changed.wait()

    async def _take(self, passing_over: Collection[str] = ()) -> bool:
        """Whether a job was taken, and there is somewhere to put what it makes. Nothing interrupts that: one that is
        claimed and not known yet would be lost.
        """
        if self._artifacts.refusing_seconds:
            return False
        self._taking = asyncio.create_task(self._claim(passing_over))
        return await asyncio.shield(self._taking)

    async def _claim(self, passing_over: Collection[str]) -> bool:
        execution_id = secrets.token_hex(8)

        async def claimed() -> Lease | None:
            return await self._leases.claim(
                self._worker, self._tally.resident, passing_over=passing_over, execution_id=execution_id
            )

        lease = await until_available(claimed)
        if lease is not None:
            await self._start(lease)
        return lease is not None

    async def until_known(self, timeout_seconds: float) -> None:
        """Waits for what is being taken, when nothing else is to be."""
        if self._taking is not None:
            await asyncio.wait([self._taking], timeout=timeout_seconds)

    async def _work_waits(self) -> bool:
        """Whether there is a job to claim. One that has just come is left to idle workers first: it is sooner done
        on a device of its own than beside others."""
        asked_at = time.monotonic()
        found = await self._leases.wait_for_work()
        if found and self._executions and time.monotonic() - asked_at > COURTESY_SECONDS:
            await asyncio.sleep(COURTESY_SECONDS)
        return found
