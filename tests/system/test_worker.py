"""A real worker on a real store: what it makes, what it says, how it stops."""

import asyncio
import subprocess
import sys
import time

import psutil
import pytest

from contract.errors import UnknownArtifact, UnknownJob
from tests.system.installation import Installation, device_process
from tests.waiting import wait_until, wait_until_async

pytestmark = pytest.mark.alone


async def test_a_job_becomes_pictures_that_are_stored_and_published(
    installation: Installation, worker: psutil.Process
) -> None:
    job = await installation.until(await installation.submit(num_images=3, seed=5), "succeeded")
    assert [(image.index, image.seed) for image in job.images] == [(0, 5), (1, 6), (2, 7)]
    for image in job.images:
        content = await installation.artifacts.get(image.storage_key)
        assert len(content) == image.size_bytes
        assert content.startswith(b"\x89PNG")
    assert (job.progress.step, job.progress.total_steps, job.attempt) == (12, 12, 1)


async def test_each_picture_can_be_made_again_alone(installation: Installation, worker: psutil.Process) -> None:
    together = await installation.until(await installation.submit(num_images=2, seed=5), "succeeded")
    alone = await installation.until(await installation.submit(seed=together.images[1].seed), "succeeded")
    assert alone.images[0].sha256 == together.images[1].sha256


async def test_company_changes_no_picture(installation: Installation, worker: psutil.Process) -> None:
    undisturbed = await installation.until(await installation.submit(num_inference_steps=9), "succeeded")
    ids = [
        await installation.submit(num_inference_steps=steps, scheduler=scheduler, guidance_scale=scale)
        for steps, scheduler, scale in [(3, "heun", 1.0), (9, "euler", 3.0), (7, "dpmpp_2m", 8.0), (5, "ddim", 1.0)]
    ]
    jobs = [await installation.until(job_id, "succeeded") for job_id in ids]
    assert jobs[1].images[0].sha256 == undisturbed.images[0].sha256


async def test_events_tell_the_whole_story(installation: Installation, worker: psutil.Process) -> None:
    job_id = await installation.submit(num_inference_steps=40)
    names = [event.name async for event in installation.jobs.follow(job_id) if event]
    assert names[:2] == ["queued", "started"]
    assert names[-2:] == ["image", "succeeded"]
    assert set(names[2:-2]) == {"progress"}


async def test_previews_come_while_somebody_watches(installation: Installation, worker: psutil.Process) -> None:
    job_id = await installation.submit(num_inference_steps=1000)
    await installation.jobs.wish_previews(job_id)
    async for event in installation.jobs.follow(job_id):
        if event and event.name == "preview":
            break
    await installation.jobs.cancel(job_id)
    await installation.until(job_id, "cancelled")


async def test_what_somebody_waits_to_watch_has_previews_from_its_start(installation: Installation) -> None:
    """One job after the other, each over long before the next renewal of its lease."""
    ids = [await installation.submit(num_inference_steps=20, seed=seed) for seed in range(8)]
    for job_id in ids:
        await installation.jobs.wish_previews(job_id)
    installation.start_worker(SAFELIGHT_MAX_IN_FLIGHT="1")
    for job_id in ids:
        names = [event.name async for event in installation.jobs.follow(job_id) if event]
        assert "preview" in names, await installation.jobs.get(job_id)


@pytest.mark.parametrize("after_step", [0, 1, 20])
async def test_a_cancelled_running_job_stops_at_its_next_step(
    installation: Installation, worker: psutil.Process, after_step: int
) -> None:
    job_id = await installation.submit(num_inference_steps=5000)
    await installation.until(job_id, "running")
    await installation.until_step(job_id, after_step)
    await installation.jobs.cancel(job_id)
    job = await installation.until(job_id, "cancelled", timeout_seconds=5)
    assert job.progress.step < 5000
    assert job.images == ()


async def test_fifty_cancellations_harm_nobody_else(installation: Installation, worker: psutil.Process) -> None:
    undisturbed = await installation.until(await installation.submit(seed=1), "succeeded")
    for round_ in range(50):
        victim = await installation.submit(num_inference_steps=1 + round_ % 5)
        if round_ % 3 == 1:
            await installation.until(victim, "running", "succeeded")
        if round_ % 3 == 2:
            await installation.until(victim, "succeeded")
        await installation.jobs.cancel(victim)
        assert (await installation.until(victim, "cancelled", "succeeded", timeout_seconds=10)).ended
    survivor = await installation.until(await installation.submit(seed=1), "succeeded")
    assert survivor.images[0].sha256 == undisturbed.images[0].sha256


async def test_a_worker_that_one_tenant_fills_has_room_for_another(
    installation: Installation, worker: psutil.Process
) -> None:
    flood = [await installation.submit(num_images=16, num_inference_steps=5000, seed=16 * at) for at in range(3)]
    await installation.until_step(flood[0], 1)
    calm = [await installation.submit(tenant="calm", seed=seed) for seed in range(5)]
    for job_id in calm:
        await installation.until(job_id, "succeeded")
    left = [(await installation.jobs.get(job_id)).status for job_id in flood]
    assert left == ["running", "queued", "queued"]


async def test_two_workers_share_the_queue(installation: Installation) -> None:
    installation.start_worker()
    installation.start_worker()
    ids = [await installation.submit(seed=seed, num_inference_steps=30) for seed in range(24)]
    jobs = [await installation.until(job_id, "succeeded") for job_id in ids]
    assert {job.attempt for job in jobs} == {1}
    alive = await wait_until_async(lambda: _names_of_rq_workers(installation, busy=False), 30)
    assert len(alive) == 2


async def _names_of_rq_workers(installation: Installation, *, busy: bool) -> list[str]:
    names = await installation.connection.redis.smembers("rq:workers")
    states = [await installation.connection.redis.hget(name, "state") for name in names]
    return sorted(names) if len(names) == 2 and all(state == "idle" for state in states) else []


async def test_a_stopping_worker_gives_back_what_it_cannot_finish(
    installation: Installation, worker: psutil.Process
) -> None:
    job_id = await installation.submit(num_inference_steps=3000)
    await installation.until_step(job_id, 1)
    worker.terminate()
    job = await installation.until(job_id, "queued", timeout_seconds=15)
    assert job.attempt == 0
    wait_until(lambda: not psutil.pid_exists(worker.pid) or worker.status() == psutil.STATUS_ZOMBIE, 15)
    assert await installation.connection.redis.smembers("safelight:workers") == set()


async def test_a_stopping_worker_finishes_what_it_can(installation: Installation, worker: psutil.Process) -> None:
    job_id = await installation.submit(num_inference_steps=100)
    await installation.until_step(job_id, 1)
    worker.terminate()
    assert (await installation.until(job_id, "succeeded", timeout_seconds=15)).attempt == 1


async def test_a_child_that_hangs_is_replaced(installation: Installation) -> None:
    worker = installation.start_worker(SAFELIGHT_STALL_SECONDS="2", SAFELIGHT_LEASE_SECONDS="5")
    await installation.until(await installation.submit(), "succeeded")
    idle_since = time.monotonic()
    wait_until(lambda: time.monotonic() > idle_since + 3, 10)
    job_id = await installation.submit(num_inference_steps=300)
    await installation.until_step(job_id, 100)
    assert (await installation.jobs.get(job_id)).attempt == 1, "having been idle is not hanging"
    device_process(worker).suspend()
    assert (await installation.until(job_id, "succeeded", timeout_seconds=40)).attempt == 2


async def test_ended_jobs_leave_with_their_files_when_their_time_is_over(installation: Installation) -> None:
    installation.start_worker(SAFELIGHT_RETENTION_SECONDS="1", SAFELIGHT_LEASE_SECONDS="2")
    job = await installation.until(await installation.submit(), "succeeded")

    async def gone() -> bool:
        try:
            await installation.jobs.get(job.id)
        except UnknownJob:
            return True
        return False

    await wait_until_async(gone, 20)
    with pytest.raises(UnknownArtifact):
        await installation.artifacts.get(job.images[0].storage_key)


async def test_rq_info_tells_the_truth(installation: Installation, worker: psutil.Process) -> None:
    await installation.until(await installation.submit(), "succeeded")
    running = await installation.submit(num_inference_steps=8000)
    await installation.until_step(running, 1)
    for _ in range(2):
        cancelled = await installation.submit(num_inference_steps=8000)
        await installation.jobs.cancel(cancelled)
        await installation.until(cancelled, "cancelled")
    waiting = [await installation.submit(num_images=16, num_inference_steps=8000) for _ in range(3)]
    await installation.until(waiting[0], "running")
    shown = await wait_until_async(lambda: _rq_info(installation, containing=" busy "), 30)
    assert "queue generations 2, 2 executing, 1 finished, 0 failed" in shown
    assert "jobs: 1 finished, 0 failed" in shown
    assert (await _rq_info(installation)) == shown, "looking changes nothing"


async def _rq_info(installation: Installation, *, containing: str = "") -> str:
    command = [sys.executable, "-m", "rq.cli", "info", "--raw", "-u", f"unix://{installation.socket}"]
    run = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    return run.stdout if containing in run.stdout else ""
