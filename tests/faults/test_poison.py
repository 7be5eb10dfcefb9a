"""Jobs that ruin the process that runs them, and devices that ruin jobs: who else suffers, and what operators see."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.faults.site import Site, open_site
from tests.waiting import wait_until_async

SETTINGS = {
    "SAFELIGHT_STALL_SECONDS": "2",
    "SAFELIGHT_LEASE_SECONDS": "3",
    "SAFELIGHT_MAX_ATTEMPTS": "2",
    "SAFELIGHT_MAX_IN_FLIGHT": "8",
}

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.alone]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tiny_catalogue: Path) -> AsyncIterator[Site]:
    """The service with a child that some prompts ruin."""
    async with open_site(tiny_catalogue, under_test=True, **SETTINGS) as site:
        yield site
        await site.check()


async def submit_together(site: Site, prompts: list[str]) -> list[str]:
    """Jobs that begin at the same step, with all of the others in flight."""
    site.holds.arm("joining")
    ids = [await site.ada.submit(prompt=prompt, num_inference_steps=20, seed=at) for at, prompt in enumerate(prompts)]
    for job_id in ids:
        await site.ada.until(job_id, "running")
    site.holds.let_go()
    return ids


@pytest.mark.parametrize(
    ("prompt", "code", "attempts"),
    [
        ("kills", "worker_died", 2),
        ("loses the device", "worker_died", 2),
        ("hangs", "generation_stalled", 2),
        ("exhausts memory", "out_of_memory", 1),
        ("culprit", "non_finite_latents", 1),
    ],
)
async def test_it_fails_alone_and_its_seven_neighbours_finish(
    site: Site, prompt: str, code: str, attempts: int
) -> None:
    ids = await submit_together(site, [prompt, *["a red apple"] * 7])
    culprit, *neighbours = [await site.ada.finish(job_id, 90) for job_id in ids]
    assert (culprit["status"], culprit["error"]["code"], culprit["attempt"]) == ("failed", code, attempts)
    assert {(job["status"], job["attempt"]) for job in neighbours} == {("succeeded", 1)}
    alone = await site.ada.finish(await site.ada.submit(num_inference_steps=20, seed=1))
    assert neighbours[0]["images"][0]["sha256"] == alone["images"][0]["sha256"]
    if prompt == "hangs":
        assert re.search(f"replacing the child: with {culprit['id']} it has been silent for", site.log())


async def test_a_full_worker_works_on_when_its_child_was_replaced(site: Site) -> None:
    ids = await submit_together(site, ["kills", *["a red apple"] * 7])
    last = await site.ada.submit()
    assert [(await site.ada.finish(job_id, 90))["status"] for job_id in (*ids[1:], last)] == ["succeeded"] * 8


async def readiness(site: Site) -> dict[str, Any]:
    """What `/readyz` says, whatever it is."""
    return (await site.ada.call("GET", "/readyz")).answer or {}


async def test_a_device_that_keeps_failing_is_in_quarantine_until_it_works_again(site: Site) -> None:
    """Two jobs fail, then a third, and the device is asked for a proof and gives none: the fourth job has to wait."""
    site.holds.broken.touch()
    for _ in range(3):
        failed = await site.ada.finish(await site.ada.submit())
        assert failed["error"]["code"] == "non_finite_latents"
    waiting = await site.ada.submit()

    async def in_quarantine() -> bool:
        return "In quarantine" in str((await readiness(site)).get("error"))

    await wait_until_async(in_quarantine, 30)
    (worker,) = await site.installation.connection.redis.smembers("safelight:workers")
    assert worker in (await readiness(site))["error"]["message"]
    assert f'safelight_worker_quarantined{{worker="{worker}"}} 1.0' in await site.ada.text("/metrics")
    assert (await site.ada.read(waiting) or {})["status"] == "queued"
    site.holds.broken.unlink()
    assert (await site.ada.finish(waiting))["status"] == "succeeded"
    assert await readiness(site) == {"status": "ready", "num_workers": 1, "num_quarantined": 0}


async def test_what_jobs_do_wrong_quarantines_nobody(site: Site) -> None:
    for _ in range(4):
        assert (await site.ada.finish(await site.ada.submit(prompt="culprit")))["status"] == "failed"
    assert (await site.ada.finish(await site.ada.submit()))["status"] == "succeeded"
    assert "it has to make a picture of its own" in site.log()
    assert (await readiness(site))["num_quarantined"] == 0
