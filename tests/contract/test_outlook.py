"""The work in front of a job: exact in every order of events, and nothing is left over."""

import random
from itertools import pairwise

import pytest

from contract.costs import Cost, CostTable, Forecast
from contract.job import Job
from contract.job_store import JobStore
from contract.leases import Lease, Leases
from contract.liveness import Liveness, Pulse
from contract.store_connection import StoreConnection
from tests.conftest import complete_request
from tests.contract.test_job_store import REQUEST

OWN = Forecast(work_seconds=1.0, own_seconds=1.5)
TABLE = CostTable([Cost("tiny", 64, 64, 0.01, 0.02, 0.0)])


@pytest.fixture(autouse=True)
async def one_worker(liveness: Liveness) -> None:
    await liveness.beat(Pulse("w", 0, 0, 0, 0.0))


async def admit(job_store: JobStore, work_seconds: float | None, **changes: object) -> Job:
    forecast = None if work_seconds is None else Forecast(work_seconds, work_seconds)
    admission = await job_store.admit(REQUEST, complete_request(**changes), max_queued=1000, forecast=forecast)
    return admission.job


async def claim(leases: Leases) -> Lease:
    lease = await leases.claim("w")
    assert lease is not None
    return lease


async def eta(job_store: JobStore, job: Job, forecast: Forecast | None = OWN) -> float | None:
    now = await job_store.get(job.id)
    return (await job_store.outlook([job.id])).eta_seconds(now, forecast)


async def ahead(job_store: JobStore, job: Job) -> float | None:
    return (await job_store.outlook([job.id])).places[job.id].seconds_ahead


async def nothing_is_left(connection: StoreConnection) -> bool:
    return not await connection.redis.exists("safelight:work", "safelight:unweighed")


async def test_a_waiting_job_has_the_work_before_it_and_its_own(job_store: JobStore, leases: Leases) -> None:
    first, second, third = [await admit(job_store, work) for work in (1.0, 2.0, 1.0)]
    assert [await eta(job_store, job) for job in (first, second, third)] == [1.5, 2.0, 4.0]
    lease = await claim(leases)
    assert await eta(job_store, third) == 4.0, "that it runs does not make it shorter"
    await leases.report(lease, 3, 1.0, [])
    assert await eta(job_store, third) == pytest.approx(3.25), "a quarter of the first one is left"
    await leases.settle(lease, "succeeded")
    assert await eta(job_store, third) == 3.0


async def test_a_short_job_that_is_next_does_not_wait_for_the_end_of_long_ones(
    job_store: JobStore, leases: Leases
) -> None:
    for _ in range(2):
        await admit(job_store, 100.0)
    for _ in range(2):
        await claim(leases)
    job = await admit(job_store, 1.0)
    assert (await eta(job_store, job), job.admitted_eta_seconds) == (3.0, 3.0), "a third of the device for one second"
    behind = await admit(job_store, 1.0)
    assert await eta(job_store, behind) == 103.0, "one of the long ones ends first"


async def test_workers_share_the_work(job_store: JobStore, liveness: Liveness) -> None:
    await admit(job_store, 6.0)
    job = await admit(job_store, 1.0)
    assert await eta(job_store, job) == 7.0
    await liveness.beat(Pulse("w2", 0, 0, 0, 0.0))
    assert await eta(job_store, job) == 4.0
    for name in ("w", "w2"):
        await liveness.depart(name)
    assert await eta(job_store, job) is None, "nobody works"


async def test_the_answer_to_the_admission_is_kept(job_store: JobStore, leases: Leases) -> None:
    await admit(job_store, 3.0)
    job = await admit(job_store, 1.0)
    assert job.admitted_eta_seconds == 4.0
    await leases.settle(await claim(leases), "succeeded")
    assert (await job_store.get(job.id)).as_admitted().progress.eta_seconds == 4.0


async def test_a_taken_job_without_a_step_shares_the_device(job_store: JobStore, leases: Leases) -> None:
    jobs = [await admit(job_store, 4.0) for _ in range(3)]
    for _ in jobs:
        await claim(leases)
    assert await eta(job_store, jobs[0], Forecast(4.0, 0.5)) == 12.0
    assert await eta(job_store, jobs[0], Forecast(1.0, 0.5)) == 3.0, (
        "the others hold it up by no more than its own work"
    )
    assert await eta(job_store, jobs[0], Forecast(1.0, 7.0)) == 7.0, "alone it would take longer"


async def test_a_job_that_is_taken_between_two_questions_has_an_end(job_store: JobStore, leases: Leases) -> None:
    job = await admit(job_store, 1.0)
    await claim(leases)
    assert job.status == "queued"
    assert (await job_store.outlook([job.id])).eta_seconds(job, OWN) == 1.5


async def test_what_an_execution_says_goes_before(job_store: JobStore, leases: Leases) -> None:
    job = await admit(job_store, 4.0)
    lease = await claim(leases)
    await leases.report(lease, 1, 2.25, [])
    assert await eta(job_store, job) == 2.25
    await leases.give_back([lease], "lost")
    assert await eta(job_store, job) == 1.5, "it waits again, with nothing before it"
    await leases.settle(await claim(leases), "succeeded")
    assert await eta(job_store, job) == 0.0


async def test_unknown_work_before_a_job_makes_its_end_unknown(job_store: JobStore) -> None:
    before, unknown, behind = [await admit(job_store, work) for work in (1.0, None, 1.0)]
    assert await eta(job_store, before) == 1.5
    assert await eta(job_store, unknown, None) is None
    assert (await eta(job_store, behind), behind.admitted_eta_seconds) == (None, None)
    await job_store.weigh(CostTable())
    assert await eta(job_store, behind) is None
    await job_store.weigh(TABLE)
    assert await eta(job_store, behind) == pytest.approx(1.0 + 4 * 2 * 0.01 + 1.0)
    await job_store.weigh(TABLE)
    assert await eta(job_store, behind) == pytest.approx(1.0 + 4 * 2 * 0.01 + 1.0), "it is weighed once"


async def test_a_running_job_is_weighed_by_what_is_left_of_it(
    job_store: JobStore, leases: Leases, connection: StoreConnection
) -> None:
    await admit(job_store, None)
    lease = await claim(leases)
    await leases.report(lease, 1, None, [])
    await job_store.weigh(TABLE)
    assert (await job_store.outlook()).running_seconds == pytest.approx(0.06)
    await leases.settle(lease, "failed")
    assert await nothing_is_left(connection)


async def test_an_unweighed_job_that_ends_holds_nobody_up(
    job_store: JobStore, leases: Leases, connection: StoreConnection
) -> None:
    cancelled, run, behind = [await admit(job_store, work) for work in (None, None, 1.0)]
    await job_store.cancel(cancelled.id)
    lease = await claim(leases)
    assert lease.job_id == run.id
    assert await eta(job_store, behind) is None
    await leases.settle(lease, "succeeded")
    assert await eta(job_store, behind) == 1.5
    await job_store.cancel(behind.id)
    assert await nothing_is_left(connection)


async def test_sums_are_exact_in_any_order_and_nothing_is_left(
    job_store: JobStore, leases: Leases, connection: StoreConnection
) -> None:
    """Against a plain list: admissions, claims, reports, cancellations, losses, over more jobs than one block has."""
    source = random.Random(4)
    waiting: list[tuple[Job, float]] = []
    held: list[Lease] = []

    async def admit_one() -> None:
        work = source.randrange(1, 10_000_000) / 1e6
        waiting.append((await admit(job_store, work), work))

    async def cancel_one() -> None:
        job, _ = waiting.pop(source.randrange(len(waiting)))
        await job_store.cancel(job.id)

    async def claim_one() -> None:
        held.append(await claim(leases))
        waiting.pop(0)

    async def end_one() -> None:
        lease = held.pop(source.randrange(len(held)))
        await leases.report(lease, source.randrange(5), None, [])
        await leases.settle(lease, source.choice(["succeeded", "failed", "cancelled"]))  # type: ignore[arg-type]

    for _ in range(150):
        await admit_one()
        if len(waiting) > 40:
            await source.choice([cancel_one, claim_one])()
        if len(held) > 3:
            await end_one()
    outlook = await job_store.outlook(job.id for job, _ in waiting)
    total = 0.0
    for job, work in waiting:
        assert outlook.places[job.id].seconds_ahead == pytest.approx(total, abs=1e-6)
        total += work
    assert [outlook.position(job) for job, _ in waiting] == list(range(1, len(waiting) + 1))
    while held:
        await end_one()
    while waiting:
        await cancel_one()
    assert await nothing_is_left(connection)


async def test_the_sums_of_blocks_meet_at_their_borders(job_store: JobStore, connection: StoreConnection) -> None:
    for sequence in (1, 31, 32, 33, 1023, 1024, 1025, 32**4 + 5):
        await connection.redis.flushall()
        await connection.redis.set("safelight:sequence", sequence - 1)
        jobs = [await admit(job_store, 1.0) for _ in range(3)]
        assert [await ahead(job_store, job) for job in jobs] == [0.0, 1.0, 2.0]


async def test_etas_fall_to_zero_as_the_queue_is_worked_off(job_store: JobStore, leases: Leases) -> None:
    jobs = [await admit(job_store, 1.0) for _ in range(4)]
    seen = [await eta(job_store, jobs[-1])]
    for _ in jobs:
        lease = await claim(leases)
        for step in (1, 2, 3, 4):
            await leases.report(lease, step, (4 - step) * 0.125, [])
            seen.append(await eta(job_store, jobs[-1]))
        await leases.settle(lease, "succeeded")
    assert None not in seen
    assert all(later <= earlier for earlier, later in pairwise(seen))
    assert seen[-1] == 0.0
