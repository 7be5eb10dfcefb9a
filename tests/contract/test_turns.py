"""Whose job is next: tenants take turns by work, priorities order a tenant's own, and nobody waits for ever."""

import asyncio
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import integers, lists, sampled_from, tuples

from contract.costs import Forecast
from contract.job import Job, Priority
from contract.job_store import JobStore
from contract.leases import Lease, Leases
from contract.liveness import Liveness, Pulse
from contract.quotas import Allowance, Quota
from contract.request import GenerationRequest
from contract.store_connection import StoreConnection
from contract.terms import Terms
from tests.conftest import complete_request
from tests.contract.test_job_store import positions
from tests.waiting import wait_until_async

REQUEST = GenerationRequest(prompt="x")


async def admit(
    job_store: JobStore, tenant: str = "public", priority: Priority = "normal", seconds: float = 1.0, **options: object
) -> str:
    """The id of a new job."""
    model = options.pop("model", "tiny")
    admission = await job_store.of(tenant).admit(
        REQUEST,
        complete_request(model=model),
        Terms(priority=priority),
        max_queued=10_000,
        forecast=Forecast(seconds, seconds),
        **options,  # type: ignore[arg-type]
    )
    return admission.job.id


async def claim(leases: Leases, *resident: str) -> Lease:
    lease = await leases.claim("w", resident)
    assert lease is not None
    return lease


async def tenants_served(job_store: JobStore, leases: Leases, number: int) -> list[str]:
    """Whose the next jobs are."""
    return [(await job_store.get((await claim(leases)).job_id)).tenant for _ in range(number)]


async def test_a_flood_of_one_tenant_is_passed_by_another(job_store: JobStore, leases: Leases) -> None:
    for _ in range(50):
        await admit(job_store, "flood")
    await claim(leases)
    for _ in range(3):
        await admit(job_store, "calm")
    served = await tenants_served(job_store, leases, 8)
    assert served[0] == "calm"
    assert (served[:6].count("calm"), served[6:]) == (3, ["flood"] * 2)


async def test_turns_are_by_work_and_not_by_jobs(job_store: JobStore, leases: Leases) -> None:
    for _ in range(10):
        await admit(job_store, "large", seconds=4)
    for _ in range(40):
        await admit(job_store, "small", seconds=1)
    served = Counter(await tenants_served(job_store, leases, 25))
    assert served["large"] == pytest.approx(5, abs=1)
    assert served["small"] == pytest.approx(20, abs=1)


async def test_who_comes_back_takes_a_turn_now_and_not_those_that_were_missed(
    job_store: JobStore, leases: Leases
) -> None:
    await admit(job_store, "calm")
    for _ in range(30):
        await admit(job_store, "flood")
    await tenants_served(job_store, leases, 20)
    for _ in range(10):
        await admit(job_store, "calm")
    served = Counter(await tenants_served(job_store, leases, 10))
    assert served["calm"] == pytest.approx(5, abs=1)


async def test_one_job_after_the_other_is_no_way_past_the_others(job_store: JobStore, leases: Leases) -> None:
    """A tenant with one long job waiting at a time has its share of the work, and no more."""
    for _ in range(60):
        await admit(job_store, "flood")
    served: Counter[str] = Counter()
    await admit(job_store, "single", seconds=5)
    for _ in range(36):
        (tenant,) = await tenants_served(job_store, leases, 1)
        served[tenant] += 1
        if tenant == "single":
            await admit(job_store, "single", seconds=5)
    assert served["single"] * 5 == pytest.approx(served["flood"], abs=6)


async def test_a_job_of_unknown_work_counts_a_second(job_store: JobStore, leases: Leases) -> None:
    for tenant in ("unknown", "known"):
        for _ in range(10):
            forecast = Forecast(1.0, 1.0) if tenant == "known" else None
            await job_store.of(tenant).admit(REQUEST, complete_request(), max_queued=100, forecast=forecast)
    assert Counter(await tenants_served(job_store, leases, 10)) == {"unknown": 5, "known": 5}


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(lists(tuples(sampled_from("abc"), integers(1, 8)), min_size=30, max_size=60))
async def test_no_tenant_that_waits_gets_less_than_the_others(store_url: str, asked: list[tuple[str, int]]) -> None:
    """Of any two tenants that wait all the while, one was never given more than two jobs' work above the other."""
    connection = StoreConnection(store_url)
    await connection.redis.flushall()
    job_store = JobStore(connection, retention_seconds=3600)
    leases = Leases(connection, lease_seconds=15, max_attempts=3, retention_seconds=3600)
    work = {await admit(job_store, tenant, seconds=seconds): (tenant, seconds) for tenant, seconds in asked}
    waiting, given = Counter(tenant for tenant, _ in asked), Counter({tenant: 0 for tenant, _ in asked})
    while all(waiting[tenant] for tenant in given):
        tenant, seconds = work[(await claim(leases)).job_id]
        given[tenant] += seconds
        waiting[tenant] -= 1
        assert max(given.values()) - min(given.values()) <= 8
    await connection.close()


async def test_priorities_order_a_tenants_own(job_store: JobStore, leases: Leases) -> None:
    asked: list[Priority] = ["low", "normal", "high", "low", "normal", "high"]
    ids = [await admit(job_store, priority=priority) for priority in asked]
    assert await positions(job_store, ids) == dict(zip(ids, [5, 3, 1, 6, 4, 2], strict=True))
    assert [(await claim(leases)).job_id for _ in ids] == [ids[at] for at in (2, 5, 1, 4, 0, 3)]


async def test_the_urgent_of_one_tenant_are_no_matter_of_anothers(job_store: JobStore, leases: Leases) -> None:
    for _ in range(10):
        await admit(job_store, "urgent", "high")
        await admit(job_store, "patient", "low")
    assert Counter(await tenants_served(job_store, leases, 10)) == {"urgent": 5, "patient": 5}


def leases_of(connection: StoreConnection, patience_seconds: float) -> Leases:
    return Leases(
        connection,
        lease_seconds=15,
        max_attempts=3,
        retention_seconds=3600,
        priority_patience_seconds=patience_seconds,
    )


async def test_what_is_passed_over_has_every_fourth_turn_in_the_end(
    job_store: JobStore, connection: StoreConnection
) -> None:
    low = [await admit(job_store, priority="low") for _ in range(3)]
    high = [await admit(job_store, priority="high") for _ in range(12)]
    young, old = leases_of(connection, 3600), leases_of(connection, 0)
    assert [(await claim(young)).job_id for _ in range(2)] == high[:2]
    taken = [(await claim(old)).job_id for _ in range(13)]
    assert [taken.index(job_id) for job_id in low] == [3, 7, 11]
    assert [job_id for job_id in taken if job_id in high] == high[2:]


async def test_no_worker_prefers_a_model_to_a_priority(job_store: JobStore, leases: Leases) -> None:
    low = await admit(job_store, priority="low", model="a")
    normal, other = [await admit(job_store, model=model) for model in "ba"]
    assert [(await claim(leases, "a")).job_id for _ in range(3)] == [other, normal, low]


async def test_a_worker_looks_for_its_model_at_all_whose_turn_is_near(job_store: JobStore, leases: Leases) -> None:
    await admit(job_store, "first", model="a")
    mine = await admit(job_store, "second", model="b")
    assert (await claim(leases, "b")).job_id == mine


async def limited(job_store: JobStore, tenant: str, max_running: int) -> str:
    return await admit(job_store, tenant, allowance=Allowance(Quota(max_running=max_running), "k"))


async def test_a_tenant_has_no_more_running_than_it_may(job_store: JobStore, leases: Leases) -> None:
    first, second, third = [await limited(job_store, "acme", 2) for _ in range(3)]
    running = [await claim(leases), await claim(leases)]
    assert [lease.job_id for lease in running] == [first, second]
    assert await leases.claim("w") is None
    other = await admit(job_store, "other")
    assert (await claim(leases)).job_id == other, "nobody else waits for that"
    await leases.settle(running[0], "succeeded")
    assert (await claim(leases)).job_id == third


async def test_a_job_of_an_older_version_is_found(
    job_store: JobStore, leases: Leases, connection: StoreConnection
) -> None:
    """It stands in RQ's queue, and in none of the lines."""
    old, new = await admit(job_store), await admit(job_store, "acme")
    await connection.redis.delete("safelight:line")
    await connection.redis.zrem("safelight:turns", "public")
    await connection.redis.hdel(f"safelight:job:{old}", "priority")
    assert {(await claim(leases)).job_id for _ in "ab"} == {old, new}
    assert (await job_store.get(old)).priority == "normal"


async def test_a_record_that_is_gone_is_passed_over(
    job_store: JobStore, leases: Leases, connection: StoreConnection
) -> None:
    gone, there = [await admit(job_store, "acme") for _ in "ab"]
    await connection.redis.delete(f"safelight:job:{gone}")
    assert (await claim(leases)).job_id == there
    assert await leases.claim("w") is None


async def test_a_job_that_is_given_back_is_first_of_its_own(job_store: JobStore, leases: Leases) -> None:
    first = await admit(job_store, "acme")
    await admit(job_store, "acme")
    lease = await claim(leases)
    await leases.give_back([lease], "drained")
    assert lease.job_id == first
    assert (await claim(leases)).job_id == first


async def test_nothing_of_turns_is_left_when_nobody_waits(
    job_store: JobStore, leases: Leases, connection: StoreConnection
) -> None:
    ids = [await admit(job_store, tenant, priority) for tenant in ("a", "b") for priority in ("low", "high")]
    await job_store.cancel(ids[0])
    await job_store.cancel(ids[3])
    for lease in (await claim(leases), await claim(leases)):
        await leases.settle(lease, "succeeded")
    for job_id in ids:
        await job_store.delete(job_id)
    left = {name for name in await connection.redis.keys() if name.startswith("safelight:")}
    assert left == {"safelight:sequence", "safelight:statistics"}


async def shown(job_store: JobStore, job_id: str) -> tuple[int, float | None]:
    job: Job = await job_store.get(job_id)
    outlook = await job_store.outlook([job_id])
    return outlook.places[job_id].position, outlook.eta_seconds(job, Forecast(1.0, 1.0))


async def test_the_end_is_predicted_as_it_will_be_served(
    job_store: JobStore, leases: Leases, liveness: Liveness
) -> None:
    await liveness.beat(Pulse("w", 0, 0, 0, 0.0))
    flood = [await admit(job_store, "flood") for _ in range(20)]
    calm = [await admit(job_store, "calm") for _ in range(2)]
    assert await shown(job_store, calm[0]) == (1, 1.0)
    assert await shown(job_store, calm[1]) == (3, 3.0), "one of its own, and as much of the flood"
    assert await shown(job_store, flood[9]) == (12, 12.0), "nine of its own, and both of the others"
    urgent = await admit(job_store, "flood", "high")
    assert await shown(job_store, urgent) == (1, 1.0)
    assert await shown(job_store, flood[0]) == (3, 3.0), "the urgent one, and as much of the others"


async def test_what_would_be_is_what_is_then(job_store: JobStore, liveness: Liveness) -> None:
    await liveness.beat(Pulse("w", 0, 0, 0, 0.0))
    for _ in range(5):
        await admit(job_store, "flood")
    await admit(job_store, "calm")
    for priority in ("high", "normal", "low"):
        outlook, place = await job_store.of("calm").expect(priority)
        expected = place.position, outlook.seconds_to_end(place, Forecast(1.0, 1.0))
        job_id = await admit(job_store, "calm", priority)
        assert await shown(job_store, job_id) == expected
        job = await job_store.get(job_id)
        assert (job.admitted_position, job.admitted_eta_seconds) == expected
        await job_store.cancel(job_id)


async def test_a_full_worker_takes_no_job_of_who_has_filled_it(job_store: JobStore, leases: Leases) -> None:
    for _ in range(3):
        await admit(job_store, "flood")
    assert await leases.claim("w", passing_over=["flood"]) is None
    calm = await admit(job_store, "calm")
    lease = await leases.claim("w", passing_over=["flood", "other"])
    assert lease is not None
    assert lease.job_id == calm
    assert await leases.claim("w", passing_over=["flood", "calm"]) is None
    assert await tenants_served(job_store, leases, 3) == ["flood"] * 3


async def test_who_was_let_in_by_a_full_worker_sets_no_clock_forward(job_store: JobStore, leases: Leases) -> None:
    """Who comes next does not stand behind a tenant that only a full worker has taken a job of."""
    for _ in range(4):
        await admit(job_store, "flood")
    await admit(job_store, "calm", seconds=50)
    await claim(leases)
    for _ in range(3):
        await admit(job_store, "calm", seconds=50)
        await leases.claim("w", passing_over=["flood"])
    await admit(job_store, "new")
    assert "new" in await tenants_served(job_store, leases, 2)


async def test_the_first_job_of_a_tenant_to_wait_is_called_out(job_store: JobStore, leases: Leases) -> None:
    wishes = leases.wishes()
    heard = asyncio.ensure_future(anext(wishes))
    called: list[str] = []

    async def spoken() -> bool:
        called.append(await admit(job_store, f"tenant-{len(called)}"))
        return heard.done()

    await wait_until_async(spoken, 5)
    assert heard.result()[0] == "arrive"
    assert heard.result()[1] in called
    second = await admit(job_store, "tenant-0")
    other = await admit(job_store, "other")
    told = [heard.result()[1]]
    while told[-1] != other:
        told.append((await anext(wishes))[1])
    assert second not in told
    await wishes.aclose()
