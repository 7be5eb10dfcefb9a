"""Fine-tunes in real processes: one is taught and used, killed and resumed, cancelled, given back."""

import re

import pytest

from contract.files import FileStore
from contract.fine_tunes import FineTune
from tests.system.installation import Installation, device_process, kill, kill_tree
from tests.system.teaching import NUM_STEPS, Teaching

pytestmark = pytest.mark.alone


@pytest.fixture
def teaching(installation: Installation) -> Teaching:
    return Teaching(installation)


def digests(job: FineTune) -> dict[str, str]:
    """What was learnt, to the byte."""
    assert job.result is not None, job
    return {file.name: file.sha256 for file in job.result.files}


def resumed_from(installation: Installation, job_id: str) -> int:
    """The step from which the last execution of a job went on."""
    return int(re.findall(rf"{job_id}: started, attempt \d, from step (\d+)", installation.log.read_text())[-1])


async def test_whoever_dies_what_is_learnt_is_the_same(teaching: Teaching, installation: Installation) -> None:
    teacher = teaching.start(SAFELIGHT_LEASE_SECONDS="3")
    undisturbed = await teaching.until(await teaching.submit(), "succeeded")
    assert undisturbed.progress.step == NUM_STEPS
    assert undisturbed.result is not None
    assert undisturbed.result.card is not None
    assert [sample.step for sample in undisturbed.samples] == [0, NUM_STEPS]
    files = FileStore(installation.connection, installation.artifacts)
    file = await files.get(undisturbed.result.adapter_file or "")
    assert file.sha256 in digests(undisturbed).values()

    job_id = await teaching.submit()
    step = 0
    for _ in range(4):
        step = await teaching.until_checkpoint(job_id, after=step)
        kill(device_process(teacher))
    job = await teaching.until(job_id, "succeeded")
    assert (job.attempt, digests(job)) == (1, digests(undisturbed)), "a death after a checkpoint is no attempt"
    assert resumed_from(installation, job_id) >= step

    job_id = await teaching.submit()
    await teaching.until_checkpoint(job_id)
    kill_tree(teacher)
    teacher = teaching.start(SAFELIGHT_LEASE_SECONDS="3")
    job = await teaching.until(job_id, "succeeded")
    assert (job.attempt, digests(job)) == (2, digests(undisturbed))
    assert resumed_from(installation, job_id) > 0


async def test_one_that_is_cancelled_keeps_what_it_has_learnt(teaching: Teaching) -> None:
    teaching.start()
    job_id = await teaching.submit(steps=20_000)
    await teaching.until_checkpoint(job_id)
    assert (await teaching.jobs.cancel(job_id)).cancel_requested
    job = await teaching.until(job_id, "cancelled")
    assert digests(job)
    assert job.result is not None
    assert job.result.card is None


async def test_one_that_is_given_back_goes_on_elsewhere(teaching: Teaching, installation: Installation) -> None:
    teacher = teaching.start()
    job_id = await teaching.submit()
    step = await teaching.until_checkpoint(job_id)
    teacher.terminate()
    assert teacher.wait(20) == 0
    given_back = await teaching.jobs.get(job_id)
    assert (given_back.status, given_back.attempt) == ("queued", 0)
    teaching.start()
    job = await teaching.until(job_id, "succeeded")
    assert job.attempt == 1
    assert resumed_from(installation, job_id) >= step
