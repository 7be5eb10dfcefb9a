"""Which workers are alive, and what they have done: each says so itself, and is believed for the length of a lease."""

import json
from dataclasses import asdict, dataclass

from contract.lines import GENERATIONS, Line
from contract.store_connection import StoreConnection, unavailable_when_unreachable


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a worker says of itself with every heartbeat: counts since it started, its speed since the last one, the
    models that it has in memory, whether it is in quarantine (alive, and without work, as its device keeps failing),
    and whether what it makes can be stored.
    """

    worker: str
    num_steps: int
    num_forwards: int
    num_rows: int
    steps_per_second: float
    resident: tuple[str, ...] = ()
    in_quarantine: bool = False
    can_store: bool = True


class Liveness:
    """Promise: a worker that stops beating is gone from `alive` one lease later.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    def __init__(self, connection: StoreConnection, *, lease_seconds: float, line: Line = GENERATIONS) -> None:
        """Of the workers of one line."""
        self._redis = connection.redis
        self._workers = line.key("workers")
        self._lease_seconds = lease_seconds

    async def beat(self, pulse: Pulse) -> None:
        """Says that a worker is alive."""
        counts = asdict(pulse) | {
            "resident": json.dumps(pulse.resident),
            "in_quarantine": int(pulse.in_quarantine),
            "can_store": int(pulse.can_store),
        }
        counts.pop("worker")
        with unavailable_when_unreachable():
            async with self._redis.pipeline(transaction=True) as batch:
                batch.sadd(self._workers, pulse.worker)
                batch.hset(_key(pulse.worker), mapping=counts)
                batch.pexpire(_key(pulse.worker), int(self._lease_seconds * 1000))
                await batch.execute()

    async def depart(self, worker: str) -> None:
        """Says that a worker has ended."""
        with unavailable_when_unreachable():
            await self._redis.srem(self._workers, worker)
            await self._redis.delete(_key(worker))

    async def alive(self) -> list[Pulse]:
        """The last pulse of every live worker, by name; names of dead ones are forgotten on the way."""
        with unavailable_when_unreachable():
            names = sorted(await self._redis.smembers(self._workers))
            pulses = [await self._pulse(name) for name in names]
        return [pulse for pulse in pulses if pulse is not None]

    async def _pulse(self, name: str) -> Pulse | None:
        counts = await self._redis.hgetall(_key(name))
        if not counts:
            await self._redis.srem(self._workers, name)
            return None
        return Pulse(
            worker=name,
            num_steps=int(counts["num_steps"]),
            num_forwards=int(counts["num_forwards"]),
            num_rows=int(counts["num_rows"]),
            steps_per_second=float(counts["steps_per_second"]),
            resident=tuple(json.loads(counts.get("resident", "[]"))),
            in_quarantine=counts.get("in_quarantine") == "1",
            can_store=counts.get("can_store", "1") == "1",
        )


def _key(worker: str) -> str:
    return f"safelight:worker:{worker}"
