"""`python -m tests.faults.soak --minutes 10`: mixed load, one kill a minute, and what is left of both in the end."""

import argparse
import asyncio
import itertools
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from contract.keys import KeyGrant, KeyStore
from tests.faults.client import Client
from tests.faults.final_state import read_final_state
from tests.faults.history import History
from tests.faults.invariants import violations
from tests.faults.usage import Usage, of_site, part_process
from tests.system.launched import Launched, launch
from tests.tiny_catalogue import build_catalogue
from tests.waiting import wait_until_async

NUM_CLIENTS = 6
WARM_UP_SECONDS = 40
KILL_INTERVAL_SECONDS = 60
KILLED = ("child", "worker", "app", "store")
STEPS = (1, 4, 20, 80, 160)
PATIENCE_SECONDS = 600
"""For one job: whatever was in flight when a process was killed is made again alone, one job after the other."""


@dataclass
class Load:
    """Clients that do a bit of everything until they are told to stop, and then remove what they have made."""

    history: History
    clients: list[Client]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ended: Counter[str] = field(default_factory=Counter)

    async def run(self, seconds: float) -> None:
        """Loads the service for so long, and waits until nothing of it is left."""
        self.stop.clear()
        working = [asyncio.create_task(self._work(client, seed)) for seed, client in enumerate(self.clients)]
        await asyncio.wait(working, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        self.stop.set()
        await asyncio.gather(*working)

    async def _work(self, client: Client, seed: int) -> None:
        # Not for secrets: the same seed does the same things.
        chance = random.Random(seed)
        while not self.stop.is_set():
            await self._one(client, chance)

    async def _one(self, client: Client, chance: random.Random) -> None:
        """One job, from its admission to its removal; some are followed, and some cancelled."""
        job_id = await client.submit(
            num_inference_steps=chance.choice(STEPS), num_images=chance.choice((1, 1, 2, 4)), seed=chance.randrange(99)
        )
        if chance.random() < 0.2:
            await client.call("POST", f"/v1/jobs/{job_id}/cancel")
        if chance.random() < 0.3:
            async with client.following(job_id) as heard:
                job = await client.finish(job_id, timeout_seconds=PATIENCE_SECONDS)
                await heard
        else:
            job = await client.finish(job_id, timeout_seconds=PATIENCE_SECONDS)
        self.ended[job["status"]] += 1
        await _removed(client, job_id)


async def _removed(client: Client, job_id: str) -> None:
    async def gone() -> bool:
        return (await client.call("DELETE", f"/v1/jobs/{job_id}")).status in (204, 404)

    await wait_until_async(gone, 60)


async def kills(launched: Launched, until: float) -> list[str]:
    """Kills one process a minute, each kind in its turn, and says which."""
    killed = []
    for part in itertools.cycle(KILLED):
        pause = min(KILL_INTERVAL_SECONDS, until - time.monotonic())
        await asyncio.sleep(max(0, pause))
        if time.monotonic() >= until - KILL_INTERVAL_SECONDS / 2:
            return killed
        part_process(launched, part).send_signal(signal.SIGKILL)
        killed.append(part)
    return killed


async def soak(launched: Launched, seconds: float) -> list[str]:
    """What was not as it should be. The load is warmed up first, and what is used then is what must be used later."""
    history = History()
    store = launched.installation.connection
    grants = [KeyGrant(tenant=f"tenant-{number}", scopes=("generate", "read")) for number in range(NUM_CLIENTS)]
    keys = [await KeyStore(store).create(grant) for grant in grants]
    clients = [
        Client(history, launched.address, grant.tenant, str(key)) for grant, key in zip(grants, keys, strict=True)
    ]
    load = Load(history, clients)
    await load.run(WARM_UP_SECONDS)
    before = await of_site(launched)
    started_at = time.monotonic()
    _, killed = await asyncio.gather(load.run(seconds), kills(launched, started_at + seconds))
    after = await settled(launched, before)
    broken = violations(history, await read_final_state(store, launched.installation.artifacts))
    for client in clients:
        await client.close()
    await launched.installation.disconnect()
    report(history, load, killed, before, after)
    return broken + grown(before, after)


async def settled(launched: Launched, before: Usage) -> Usage:
    """What is used when everything is at rest again, a minute after the end of the load at the latest."""
    until = time.monotonic() + 60

    async def at_rest() -> Usage | None:
        usage = await of_site(launched)
        return usage if not grown(before, usage) or time.monotonic() > until else None

    return await wait_until_async(at_rest, 70)


def grown(before: Usage, after: Usage) -> list[str]:
    """What is used more than it was, beyond what it varies by."""
    return [
        f"{name}: {was} before, {now} after" for name, was, now in before.beside(after) if now > was + slack(name, was)
    ]


def slack(name: str, was: float) -> float:
    """How much a quantity may vary: a process that was started anew has another heap, and other connections."""
    match name.rsplit(maxsplit=1)[-1]:
        case "MB":
            return max(24.0, 0.15 * was)
        case "descriptors":
            return 12.0
        case _:
            return 2.0


def report(history: History, load: Load, killed: list[str], before: Usage, after: Usage) -> None:
    """Prints the summary."""
    statuses = Counter(call.status for call in history.calls)
    print(f"killed: {', '.join(killed) or 'nobody'}")
    print(f"jobs: {dict(load.ended)}; calls by status: {dict(statuses)} (None: no answer)")
    print(f"{'':28}{'before':>10}{'after':>10}")
    for name, was, now in before.beside(after):
        print(f"{name:28}{was:>10.0f}{now:>10.0f}")


def main() -> int:
    """Soaks the whole service, as it is started by the launcher, and says whether it stood it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="for how long")
    seconds = parser.parse_args().minutes * 60
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        launching = launch(build_catalogue(Path(folder)))
        launched = next(launching)
        try:
            broken = asyncio.run(soak(launched, seconds))
        finally:
            launching.close()  # type: ignore[attr-defined]
    print("\n".join(broken) or "nothing lost, nothing doubled, nothing left")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
