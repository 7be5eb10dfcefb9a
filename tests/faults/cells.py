"""The cells of the kill matrix: which process is hit, at which moment of a job, and how."""

import asyncio
import itertools
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import psutil
import pytest

from tests.faults.site import Part, Site
from tests.waiting import wait_until_async

Victim = Literal["api", "parent", "child", "store", "all"]
Moment = Literal["idle", "admitting", "mid-step", "settling", "uploading"]
Fault = Literal["TERM", "KILL", "STOP"]

VICTIMS: tuple[Victim, ...] = ("api", "parent", "child", "store", "all")
MOMENTS: tuple[Moment, ...] = ("idle", "admitting", "mid-step", "settling", "uploading")
FAULTS: tuple[Fault, ...] = ("TERM", "KILL", "STOP")

PARTS: dict[Victim, tuple[Part, ...]] = {
    "api": ("api",),
    "parent": ("parent",),
    "child": ("child",),
    "store": ("store",),
    "all": ("store", "api", "parent", "child"),
}
POINTS: dict[Moment, dict[Victim, str]] = {
    "admitting": {"api": "admitted", "parent": "claimed", "child": "joining", "store": "admitting", "all": "admitted"},
    "settling": dict.fromkeys(VICTIMS, "settling"),
    "uploading": dict.fromkeys(VICTIMS, "uploading"),
}
"""Who waits where while the victim is hit. Every process admits in its own way: the API writes a job into the store,
the parent claims one, the child takes an image in."""

NUM_STEPS = 100
STOP_SECONDS = 20.0
LOSSES = ("every_accepted_job_ends", "nothing_is_left_over")


@dataclass(frozen=True, slots=True)
class Cell:
    """One way to hit the service."""

    victim: Victim
    moment: Moment
    fault: Fault

    def __str__(self) -> str:
        return f"{self.victim}-{self.moment}-{self.fault}"


ALL_CELLS = tuple(Cell(*cell) for cell in itertools.product(VICTIMS, MOMENTS, FAULTS))


@dataclass(slots=True)
class Outcome:
    """What came of a cell. Units: seconds from the blow to the job's end, and to its next start if there was one."""

    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0
    rerun_seconds: float | None = None
    attempt: int = 0

    @property
    def num_lost(self) -> int:
        """Jobs that never ended."""
        return sum(what.startswith(LOSSES) for what in self.broken)

    @property
    def num_doubled(self) -> int:
        """What happened twice, or otherwise than it was told."""
        return len(self.broken) - self.num_lost


OUTCOMES = pytest.StashKey[dict[Cell, Outcome]]()
"""Where the tests leave what they saw, for the table at the end."""


async def hit(site: Site, cell: Cell) -> Outcome:
    """Brings a job to the moment, hits the victim, starts again what has died, and sees how the job ends."""
    submitted = await _bring_to(site, cell)
    hit_at = time.time()
    processes = {part: site.process(part) for part in PARTS[cell.victim]}
    for process in processes.values():
        process.send_signal(getattr(signal, f"SIG{cell.fault}"))
    site.holds.let_go()
    submitted = submitted or asyncio.create_task(site.ada.submit(num_inference_steps=10))
    await _mend(site, cell, processes)
    return await _outcome(site, await submitted, hit_at)


async def _bring_to(site: Site, cell: Cell) -> "asyncio.Task[str] | None":
    """The admission of the job, which may be at its beginning or long done; None when the job comes after the blow."""
    if cell.moment == "idle":
        return None
    if cell.moment == "mid-step":
        submitted = asyncio.create_task(site.ada.submit(num_inference_steps=NUM_STEPS))
        await site.ada.until_step(await submitted, 5)
        return submitted
    point = POINTS[cell.moment][cell.victim]
    site.holds.arm(point)
    submitted = asyncio.create_task(site.ada.submit(num_inference_steps=10))
    await site.holds.until_held(point)
    return submitted


async def _mend(site: Site, cell: Cell, processes: Mapping[Part, psutil.Process]) -> None:
    """What was frozen goes on after a while; what has ended is started again at once.

    Beside a worker that is frozen there is another one: so the job is another's by the time that the first one thaws.
    """
    if cell.fault == "STOP":
        if cell.victim == "parent":
            site.installation.start_worker()
        await elapse(STOP_SECONDS)
        for process in processes.values():
            process.send_signal(signal.SIGCONT)
        return
    for part, process in processes.items():
        if part != "child":
            await site.until_gone(process)
            site.start(part)


async def elapse(seconds: float) -> None:
    """Lets time pass while a process is frozen."""
    until = time.monotonic() + seconds

    async def over() -> bool:
        return time.monotonic() >= until

    await wait_until_async(over, seconds + 10)


async def _outcome(site: Site, job_id: str, hit_at: float) -> Outcome:
    async with site.ada.following(job_id) as heard:
        job = await site.ada.finish(job_id, 100)
        await heard
    assert job["status"] == "succeeded", job
    seconds, rerun = time.time() - hit_at, await _rerun_seconds(site, job_id, hit_at)
    return Outcome(await site.broken(), seconds, rerun, job["attempt"])


async def _rerun_seconds(site: Site, job_id: str, hit_at: float) -> float | None:
    """How long after the blow the job was started again, by the store's clock; None if it never was."""
    events = await site.installation.connection.redis.xrange(f"safelight:events:{job_id}")
    starts = [int(event_id.partition("-")[0]) / 1000 for event_id, fields in events if fields["event"] == "started"]
    return starts[-1] - hit_at if len(starts) > 1 else None
