"""The child's life as its parent leads it: whose silence counts, and when."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.leases import Loss
from worker.messages import Ready, ToParent
from worker.settings import WorkerSettings
from worker.supervisor import Supervisor

STALL_SECONDS = 0.3


@pytest.fixture
def settings(tiny_catalogue: Path, tmp_path: Path) -> WorkerSettings:
    return WorkerSettings(home=tmp_path, catalogue=tiny_catalogue, stall_seconds=STALL_SECONDS)


async def test_a_child_is_not_silent_while_nobody_listens(settings: WorkerSettings) -> None:
    """As when a result waits for a store that is away longer than a child may say nothing."""
    losses: list[Loss] = []
    obeying, obeyed = asyncio.Event(), asyncio.Event()

    async def hear(message: ToParent) -> None:
        if isinstance(message, Ready):
            obeying.set()
            await obeyed.wait()

    async def lose(why: Loss) -> None:
        losses.append(why)

    supervisor = Supervisor(settings, hear=hear, lose=lose)
    listening = asyncio.create_task(supervisor.hear_children())
    try:
        await asyncio.wait_for(obeying.wait(), 60)
        await until(supervisor, lambda seconds: seconds > 3 * STALL_SECONDS)
        obeyed.set()
        assert await until(supervisor, lambda _: bool(losses)) >= STALL_SECONDS, "from now on the silence is its own"
        assert losses == ["stalled"]
    finally:
        listening.cancel()
        supervisor.end()


async def until(supervisor: Supervisor, over: Callable[[float], bool]) -> float:
    """Asks about the child's silence until it is over; returns after how many seconds that was."""
    since = time.monotonic()
    while not over(time.monotonic() - since):
        supervisor.replace_if_silent(["job_1"])
        await asyncio.sleep(STALL_SECONDS / 10)
    return time.monotonic() - since
