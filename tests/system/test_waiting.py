"""A real worker on a real store: what it tells of waiting, and what of a client's wishes reaches it."""

from statistics import median

import psutil
import pytest

from contract.costs import Costs, CostTable
from contract.job import Job
from contract.liveness import Liveness
from tests.system.installation import Installation
from tests.waiting import wait_until_async
from worker.execution import Execution
from worker.messages import Generate

pytestmark = pytest.mark.alone

NUM_STEPS = 60


async def costs_of(installation: Installation) -> CostTable:
    """What the worker has measured, once it has."""

    async def measured() -> CostTable | None:
        table = await Costs(installation.connection).read()
        return table if table.costs else None

    return await wait_until_async(measured, 30)


async def eta(installation: Installation, job_id: str, costs: CostTable) -> tuple[Job, float | None]:
    job = await installation.jobs.get(job_id)
    return job, (await installation.jobs.outlook([job_id])).eta_seconds(job, costs.forecast(job.request))


async def test_the_end_of_a_queue_comes_nearer_until_it_is_there(
    installation: Installation, worker: psutil.Process
) -> None:
    await installation.until(await installation.submit(num_inference_steps=NUM_STEPS), "succeeded")
    costs = await costs_of(installation)
    ids = [await installation.submit(num_inference_steps=10 * NUM_STEPS, seed=seed) for seed in range(8)]
    seen: list[float | None] = []

    async def ended() -> bool:
        job, seconds = await eta(installation, ids[-1], costs)
        seen.append(seconds)
        return job.ended

    async def weighed() -> bool:
        return not await installation.connection.redis.exists("safelight:unweighed")

    await wait_until_async(weighed, 30)
    await wait_until_async(ended, 60)
    assert None not in seen
    known = [seconds for seconds in seen if seconds is not None]
    quarter = len(known) // 4
    assert median(known[:quarter]) > median(known[-quarter:])
    assert known[-1] == 0.0
    assert not await installation.connection.redis.exists("safelight:work")


async def test_jobs_that_came_before_any_measurement_are_weighed_later(installation: Installation) -> None:
    ids = [await installation.submit(num_inference_steps=10_000) for _ in range(6)]
    installation.start_worker()
    costs = await costs_of(installation)
    pulses = await Liveness(installation.connection, lease_seconds=15).alive()
    assert [pulse.resident for pulse in pulses] == [("tiny",)]

    async def known() -> bool:
        return (await eta(installation, ids[-1], costs))[1] is not None

    await wait_until_async(known, 30)


async def test_the_wish_not_to_store_reaches_the_child(installation: Installation) -> None:
    for no_store in (True, False):
        job_id = await installation.submit(no_store=no_store)
        lease = await installation.leases.claim("w")
        assert lease is not None
        job = await installation.jobs.get(job_id)
        execution = Execution(lease, job, installation.leases, installation.artifacts)
        order = await execution.order()
        assert isinstance(order, Generate)
        assert (job.no_store, order.use_cache) == (no_store, not no_store)
