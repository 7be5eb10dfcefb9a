"""Liveness: a worker is alive for as long as it says so."""

from contract.liveness import Liveness, Pulse
from contract.store_connection import StoreConnection
from tests.waiting import wait_until_async

PULSE = Pulse(worker="w", num_steps=5, num_forwards=3, num_rows=6, steps_per_second=2.5, resident=("a", "b"))


async def test_a_beating_worker_is_alive_until_it_departs(liveness: Liveness) -> None:
    await liveness.beat(PULSE)
    assert await liveness.alive() == [PULSE]
    await liveness.depart("w")
    assert await liveness.alive() == []


async def test_a_silent_worker_is_forgotten(connection: StoreConnection) -> None:
    liveness = Liveness(connection, lease_seconds=0.05)
    await liveness.beat(PULSE)

    async def gone() -> bool:
        return await liveness.alive() == []

    await wait_until_async(gone, 5)
