"""SIGKILL, of the child, of the parent, of everything: the job ends once, with the picture of an undisturbed run."""

import psutil
import pytest

from tests.system.installation import Installation, device_process, kill, kill_tree
from tests.waiting import wait_until, wait_until_async

pytestmark = pytest.mark.alone

NUM_STEPS = 150


async def undisturbed_digest(installation: Installation) -> str:
    """The digest of the picture that every test here must get."""
    job_id = await installation.submit(num_inference_steps=NUM_STEPS)
    return (await installation.until(job_id, "succeeded")).images[0].sha256


async def ends_once_with(installation: Installation, job_id: str, digest: str, attempt: int) -> None:
    """The job has succeeded in this attempt, with one picture of this digest, and has told so once."""
    job = await installation.until(job_id, "succeeded")
    assert [image.sha256 for image in job.images] == [digest]
    assert job.attempt == attempt
    names = [event.name async for event in installation.jobs.follow(job_id) if event]
    assert names.count("succeeded") == 1
    assert names.count("image") == 1


async def test_the_child_dies(installation: Installation, worker: psutil.Process) -> None:
    digest = await undisturbed_digest(installation)
    job_id = await installation.submit(num_inference_steps=NUM_STEPS)
    await installation.until_step(job_id, 5)
    kill(device_process(worker))

    async def runs_again() -> bool:
        job = await installation.jobs.get(job_id)
        return job.attempt == 2 and job.status == "running"

    await wait_until_async(runs_again, 10)
    await ends_once_with(installation, job_id, digest, attempt=2)


async def test_the_parent_dies(installation: Installation, worker: psutil.Process) -> None:
    digest = await undisturbed_digest(installation)
    job_id = await installation.submit(num_inference_steps=NUM_STEPS)
    await installation.until_step(job_id, 5)
    child = device_process(worker)
    installation.start_worker()
    kill(worker)
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 2)
    job = await installation.until(job_id, "queued", "succeeded", timeout_seconds=20)
    assert job.attempt == 1 or job.status == "succeeded"
    await ends_once_with(installation, job_id, digest, attempt=2)


async def test_everything_dies(installation: Installation) -> None:
    installation.start_worker(SAFELIGHT_MAX_IN_FLIGHT="1")
    digest = await undisturbed_digest(installation)
    running = await installation.submit(num_inference_steps=NUM_STEPS)
    await installation.until_step(running, 5)
    waiting = await installation.submit(num_inference_steps=NUM_STEPS)
    await installation.disconnect()
    installation.end()
    installation.start_store()
    installation.start_worker()
    await ends_once_with(installation, waiting, digest, attempt=1)
    job = await installation.until(running, "succeeded", timeout_seconds=60)
    assert job.attempt == 2
    await ends_once_with(installation, running, digest, attempt=2)


async def test_a_worker_frozen_past_its_lease_changes_nothing_when_it_thaws(installation: Installation) -> None:
    frozen = installation.start_worker(SAFELIGHT_LEASE_SECONDS="3")
    digest = await undisturbed_digest(installation)
    job_id = await installation.submit(num_inference_steps=NUM_STEPS)
    await installation.until_step(job_id, 5)
    frozen.suspend()
    other = installation.start_worker(SAFELIGHT_LEASE_SECONDS="3")
    await ends_once_with(installation, job_id, digest, attempt=2)
    frozen.resume()
    wait_until(lambda: "the lease" in installation.log.read_text(), 20, installation.log.read_text)
    await ends_once_with(installation, job_id, digest, attempt=2)
    kill_tree(other)


async def test_the_fork_server_dies_while_it_begins(installation: Installation) -> None:
    """Children come from it, and it is all that a worker has begun when it is seconds old."""
    worker = installation.start_worker()
    kill(device_process(worker))
    job_id = await installation.submit()
    await installation.until(job_id, "succeeded")
