"""`python -m tests.faults.builds.worker`: a worker that waits at every turn of a job, and whose child misbehaves."""

import asyncio
from typing import Any

from contract.artifact_store import ArtifactStore
from contract.leases import Lease, Leases
from tests.faults.builds import child
from tests.faults.holds import Holds
from worker import child_process
from worker.__main__ import main


def place(holds: Holds) -> None:
    """Puts the points into the code of the parent."""
    claim, settle, put = Leases.claim, Leases.settle, ArtifactStore.put

    async def held_claim(self: Leases, *args: Any, **named: Any) -> Lease | None:
        lease = await claim(self, *args, **named)
        if lease is not None:
            await holds.wait_async("claimed")
        return lease

    async def held_settle(self: Leases, *args: Any, **named: Any) -> bool:
        await holds.wait_async("settling")
        return await settle(self, *args, **named)

    async def held_put(self: ArtifactStore, *args: Any, **named: Any) -> None:
        await put(self, *args, **named)
        await holds.wait_async("uploading")

    Leases.claim, Leases.settle, ArtifactStore.put = held_claim, held_settle, held_put  # type: ignore[method-assign]


if __name__ == "__main__":
    place(Holds.of_environment())
    child_process._run = child.run
    asyncio.run(main())
