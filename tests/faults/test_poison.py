"""Jobs that ruin the process that runs them, and devices that ruin jobs: who else suffers, and what operators see."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.site import Site, open_site
from tests.waiting import wait_until_async

NEIGHBOURS = 7
STALL_SECONDS = 2


@pytest.fixture
async def site(tiny_catalogue: Path) -> AsyncIterator[Site]:
    """The service with a child that some prompts ruin."""
    settings = {"SAFELIGHT_STALL_SECONDS": str(STALL_SECONDS), "SAFELIGHT_LEASE_SECONDS": "3"}
    async with open_site(tiny_catalogue, under_test=True, **settings) as site:
        yield site
        await site.check()


async def in_company(site: Site, prompt: str) -> tuple[dict, list[dict]]:
    """How a job of this prompt ends, and how its neighbours do, all of which are in flight with it."""
    neighbours = [await site.ada.submit(num_inference_steps=30, seed=seed) for seed in range(NEIGHBOURS)]
    culprit = await site.ada.submit(prompt=prompt, num_inference_steps=30)
    ended = await site.ada.finish(culprit, 90)
    return ended, [await site.ada.finish(job_id, 90) for job_id in neighbours]


@pytest.mark.parametrize(
    ("prompt", "code", "attempts"),
    [
        ("kills", "worker_died", 3),
        ("loses the device", "worker_died", 3),
        ("hangs", "generation_stalled", 3),
        ("exhausts memory", "out_of_memory", 1),
        ("culprit", "non_finite_latents", 1),
    ],
)
async def test_it_fails_alone(site: Site, prompt: str, code: str, attempts: int) -> None:
    undisturbed = await site.ada.finish(await site.ada.submit(num_inference_steps=30, seed=0))
    ended, neighbours = await in_company(site, prompt)
    assert (ended["status"], ended["error"]["code"], ended["attempt"]) == ("failed", code, attempts)
    assert {(job["status"], job["attempt"]) for job in neighbours} == {("succeeded", 1)}
    assert neighbours[0]["images"][0]["sha256"] == undisturbed["images"][0]["sha256"]
    if prompt == "hangs":
        assert re.search(f"replacing the child: with {ended['id']} it has been silent for", site.log())


async def test_a_device_that_keeps_failing_is_in_quarantine_until_it_works_again(site: Site) -> None:
    """Three jobs fail, then the device is asked for a proof, and gives none: the fourth waits, and is made later."""
    site.holds.broken.parent.mkdir(exist_ok=True)
    site.holds.broken.touch()
    for _ in range(3):
        failed = await site.ada.finish(await site.ada.submit())
        assert failed["error"]["code"] == "non_finite_latents"
    waiting = await site.ada.submit()

    async def told() -> str | None:
        answer = (await site.ada.call("GET", "/readyz")).answer
        message = str((answer or {}).get("error", {}).get("message"))
        return message if "quarantine" in message else None

    assert "their devices keep failing" in await wait_until_async(told, 30)
    worker = next(iter(await site.installation.connection.redis.smembers("safelight:workers")))
    assert f'safelight_worker_quarantined{{worker="{worker}"}} 1.0' in await site.ada.text("/metrics")
    assert (await site.ada.read(waiting) or {})["status"] == "queued"
    site.holds.broken.unlink()
    assert (await site.ada.finish(waiting))["status"] == "succeeded"
    ready = (await site.ada.call("GET", "/readyz")).answer
    assert (ready["num_workers"], ready["num_quarantined"]) == (1, 0)


async def test_what_jobs_do_wrong_quarantines_nobody(site: Site) -> None:
    for _ in range(4):
        assert (await site.ada.finish(await site.ada.submit(prompt="culprit")))["status"] == "failed"
    assert (await site.ada.finish(await site.ada.submit()))["status"] == "succeeded"
    assert "it is to prove that it can make a picture" in site.log()
