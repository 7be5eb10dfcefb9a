"""A worker that is told to stop with eight jobs in flight, as by every deployment: none has used an attempt."""

import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.site import Site, open_site

DRAIN_SECONDS = 2
SETTINGS = {"SAFELIGHT_MAX_IN_FLIGHT": "8", "SAFELIGHT_DRAIN_SECONDS": str(DRAIN_SECONDS)}


@pytest.fixture
async def site(tiny_catalogue: Path) -> AsyncIterator[Site]:
    async with open_site(tiny_catalogue, **SETTINGS) as site:
        yield site
        await site.check()


async def test_eight_jobs_in_flight_go_to_the_next_worker(site: Site) -> None:
    steps = [20] * 4 + [1500] * 4
    ids = [await site.ada.submit(num_inference_steps=num, seed=seed) for seed, num in enumerate(steps)]
    for job_id in ids[4:]:
        await site.ada.until_step(job_id, 1)
    old = site.process("parent")
    stopped_at = time.monotonic()
    old.send_signal(signal.SIGTERM)
    await site.until_gone(old)
    assert time.monotonic() - stopped_at < DRAIN_SECONDS + 3
    given_back = [job for job_id in ids if (job := await site.ada.read(job_id)) and job["status"] == "queued"]
    assert given_back
    assert {job["attempt"] for job in given_back} == {0}
    for job in given_back[1:]:
        await site.ada.call("POST", f"/v1/jobs/{job['id']}/cancel")
    site.start("parent")
    jobs = [await site.ada.finish(job_id) for job_id in ids]
    assert {job["attempt"] for job in jobs if job["status"] == "succeeded"} == {1}
