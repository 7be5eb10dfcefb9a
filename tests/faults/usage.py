"""What a running service holds: memory and descriptors of each process, keys of the store, files of artifacts."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from tests.system.installation import device_process
from tests.system.launched import Launched

PARTS = ("launch", "store", "app", "worker", "child")


@dataclass(frozen=True)
class Usage:
    """Quantities by name; the last word of a name is its unit."""

    quantities: dict[str, float]

    def beside(self, other: "Usage") -> Iterator[tuple[str, float, float]]:
        """Each quantity, here and there."""
        for name, here in self.quantities.items():
            yield name, here, other.quantities.get(name, 0)


def part_process(launched: Launched, part: str) -> psutil.Process:
    """The process that is this part now."""
    if part == "launch":
        return launched.process
    if part == "child":
        return device_process(launched.child_named("worker"))
    if part == "store":
        return next(one for one in launched.process.children() if "valkey" in one.name() or "redis" in one.name())
    return launched.child_named(part)


async def of_site(launched: Launched) -> Usage:
    """What is held now."""
    found = await asyncio.to_thread(_of_processes, launched)
    redis = launched.installation.connection.redis
    keys = [key async for key in redis.scan_iter(count=1000)]
    found["lasting keys"] = sum([await redis.ttl(key) == -1 for key in keys])
    artifacts = launched.installation.home / "artifacts"
    found["files and folders"] = await asyncio.to_thread(lambda: sum(1 for _ in artifacts.rglob("*")))
    return Usage(found)


def _of_processes(launched: Launched) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in PARTS:
        process = part_process(launched, part)
        found[f"{part} MB"] = process.memory_info().rss / 1e6
        found[f"{part} descriptors"] = process.num_fds()
    return found
