"""Every part of the service, hit at every moment of a job, in every way: nothing is lost, nothing is there twice."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.cells import ALL_CELLS, MOMENTS, OUTCOMES, VICTIMS, Cell, Outcome, Victim, hit
from tests.faults.site import Site, open_site

ALWAYS = (
    Cell("api", "admitting", "KILL"),
    Cell("child", "mid-step", "KILL"),
    Cell("child", "uploading", "KILL"),
    Cell("store", "admitting", "KILL"),
    Cell("store", "settling", "KILL"),
    Cell("parent", "settling", "TERM"),
    Cell("parent", "uploading", "KILL"),
    Cell("all", "admitting", "KILL"),
)
"""What every run tests; `make faults` tests every cell, with leases as they are shipped."""

CHILD_SECONDS, PARENT_SECONDS = 1.0, 20.0
"""So soon a job runs again that has lost its child, or its worker."""

BEFORE_CLAIM = ("idle", "admitting")
"""While these last, no worker has the job yet: one that freezes and thaws takes it in its first attempt."""

DRAIN_SECONDS = 0.5

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.alone]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tiny_catalogue: Path) -> AsyncIterator[Site]:
    """The service that all cells share, one after the other."""
    async with open_site(tiny_catalogue, under_test=True) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quick_site(tiny_catalogue: Path) -> AsyncIterator[Site]:
    """The same, with leases that end soon."""
    settings = {
        "SAFELIGHT_LEASE_SECONDS": "3",
        "SAFELIGHT_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "SAFELIGHT_MAX_IN_FLIGHT": "8",
    }
    async with open_site(tiny_catalogue, under_test=True, **settings) as site:
        yield site


def judge(cell: Cell, outcome: Outcome, config: pytest.Config) -> None:
    """Notes an outcome for the table, and holds it against what is promised."""
    config.stash.setdefault(OUTCOMES, {})[cell] = outcome
    assert not outcome.broken, "\n".join(outcome.broken)
    promised = CHILD_SECONDS if cell.victim == "child" else PARENT_SECONDS
    if outcome.rerun_seconds is not None and cell.fault != "TERM":
        assert outcome.rerun_seconds <= promised, outcome
    if (cell.victim, cell.fault) == ("parent", "STOP") and cell.moment not in BEFORE_CLAIM:
        assert outcome.attempt == 2, outcome
    if cell.fault == "TERM" and cell.victim != "all":
        assert outcome.attempt == 1, outcome


@pytest.mark.parametrize("cell", ALWAYS, ids=str)
async def test_nothing_is_lost_or_doubled_in_short(
    quick_site: Site, cell: Cell, request: pytest.FixtureRequest
) -> None:
    judge(cell, await hit(quick_site, cell), request.config)


@pytest.mark.faults_full
@pytest.mark.timeout(200)
@pytest.mark.parametrize("cell", [cell for cell in ALL_CELLS if cell.fault != "STOP"], ids=str)
async def test_nothing_is_lost_or_doubled(site: Site, cell: Cell, request: pytest.FixtureRequest) -> None:
    judge(cell, await hit(site, cell), request.config)


@pytest.mark.faults_full
@pytest.mark.timeout(200)
@pytest.mark.parametrize("victim", VICTIMS)
async def test_nothing_is_lost_or_doubled_by_a_pause(
    tiny_catalogue: Path, victim: Victim, request: pytest.FixtureRequest
) -> None:
    """Every moment at once, each at a service of its own, as they all wait for the same twenty seconds."""
    async with AsyncExitStack() as stack:
        sites = await asyncio.gather(
            *(stack.enter_async_context(open_site(tiny_catalogue, under_test=True)) for _ in MOMENTS)
        )
        cells = [Cell(victim, moment, "STOP") for moment in MOMENTS]
        outcomes = await asyncio.gather(*(hit(site, cell) for site, cell in zip(sites, cells, strict=True)))
    for cell, outcome in zip(cells, outcomes, strict=True):
        judge(cell, outcome, request.config)


async def test_a_worker_that_stops_with_eight_jobs_in_flight_uses_no_attempt(quick_site: Site) -> None:
    """As with every deployment: what it cannot finish while it drains, the next worker makes."""
    ids = [await quick_site.ada.submit(num_inference_steps=num) for num in (*[20] * 4, *range(1000, 1004))]
    for job_id in ids[4:]:
        await quick_site.ada.until_step(job_id, 1)
    old, stopped_at = quick_site.process("parent"), time.monotonic()
    old.send_signal(signal.SIGTERM)
    await quick_site.until_gone(old)
    assert time.monotonic() - stopped_at < DRAIN_SECONDS + 3
    waiting = [job for job_id in ids if (job := await quick_site.ada.read(job_id)) and job["status"] == "queued"]
    assert {job["attempt"] for job in waiting} == {0}
    for job in waiting[1:]:
        await quick_site.ada.call("POST", f"/v1/jobs/{job['id']}/cancel")
    quick_site.start("parent")
    jobs = [await quick_site.ada.finish(job_id) for job_id in ids]
    assert {job["attempt"] for job in jobs if job["status"] == "succeeded"} == {1}
    assert await quick_site.broken() == []
