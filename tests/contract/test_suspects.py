"""Suspects: jobs whose execution was lost run alone, and only what is lost while it runs alone has used an attempt."""

import pytest

from contract.job import Priority
from contract.job_store import JobStore
from contract.leases import Lease, Leases
from contract.request import GenerationRequest
from contract.store_connection import StoreConnection
from contract.terms import Terms
from tests.conftest import complete_request
from tests.contract.test_leases import reap

REQUEST = GenerationRequest(prompt="x")


async def admit(job_store: JobStore, num: int, priority: Priority = "normal") -> list[str]:
    admissions = [
        await job_store.admit(REQUEST, complete_request(), Terms(priority=priority), max_queued=100) for _ in range(num)
    ]
    return [admission.job.id for admission in admissions]


async def claim(leases: Leases, worker: str = "w1") -> Lease:
    lease = await leases.claim(worker)
    assert lease is not None
    return lease


async def lost_together(job_store: JobStore, leases: Leases, num: int) -> list[str]:
    """Jobs that were lost in company."""
    ids = await admit(job_store, num)
    assert await leases.give_back([await claim(leases) for _ in ids], "lost") == num
    return ids


async def attempts(job_store: JobStore, ids: list[str]) -> set[int]:
    return {(await job_store.get(job_id)).attempt for job_id in ids}


async def test_what_is_lost_in_company_has_used_no_attempt_and_runs_alone(job_store: JobStore, leases: Leases) -> None:
    ids = await lost_together(job_store, leases, 8)
    assert await attempts(job_store, ids) == {0}
    await admit(job_store, 1)
    for job_id in ids:
        lease = await claim(leases)
        assert lease.job_id == job_id
        assert await leases.claim("w1") is None
        assert await leases.settle(lease, "succeeded")
    first, second = await claim(leases), (await admit(job_store, 1))[0]
    assert (await claim(leases)).job_id == second
    assert await leases.settle(first, "succeeded")


async def test_every_worker_may_run_a_suspect(job_store: JobStore, leases: Leases) -> None:
    ids = await lost_together(job_store, leases, 2)
    assert [(await claim(leases, worker)).job_id for worker in ("w1", "w2")] == ids


async def test_a_busy_worker_takes_nothing_until_it_is_idle_and_can_take_the_suspect(
    job_store: JobStore, leases: Leases
) -> None:
    (poison,) = await admit(job_store, 1)
    lost = await claim(leases)
    await admit(job_store, 2)
    busy = await claim(leases, "w2")
    await leases.give_back([lost], "lost")
    assert await leases.claim("w2") is None
    assert await leases.claim("w2", ["tiny"]) is None
    await leases.settle(busy, "succeeded")
    assert (await claim(leases, "w2")).job_id == poison


async def test_only_what_is_lost_alone_fails_in_the_end(job_store: JobStore, leases: Leases) -> None:
    ids = await lost_together(job_store, leases, 2)
    for attempt in (1, 2, 3):
        lease = await claim(leases)
        assert (lease.job_id, await attempts(job_store, ids[:1])) == (ids[0], {attempt})
        await leases.give_back([lease], "lost")
    failed = await job_store.get(ids[0])
    assert failed.error is not None
    assert (failed.status, failed.error.code, failed.error.retryable) == ("failed", "worker_died", True)
    assert "ran alone 3 times" in failed.error.message
    assert (await claim(leases)).job_id == ids[1]


async def test_a_job_that_hung_says_so(job_store: JobStore, leases: Leases) -> None:
    (job_id,) = await admit(job_store, 1)
    for _ in range(3):
        await leases.give_back([await claim(leases)], "stalled")
    error = (await job_store.get(job_id)).error
    assert error is not None
    assert (error.code, error.retryable) == ("generation_stalled", False)


async def test_company_that_came_later_counts_and_company_that_has_gone(job_store: JobStore, leases: Leases) -> None:
    ids = await admit(job_store, 2)
    first, second = await claim(leases), await claim(leases)
    await leases.settle(second, "succeeded")
    await leases.give_back([first], "lost")
    assert await attempts(job_store, ids[:1]) == {0}


async def test_what_a_dead_parent_leaves_are_suspects_however_late_they_are_found(
    job_store: JobStore,
    stale: Leases,
    leases: Leases,
    connection: StoreConnection,
) -> None:
    ids = await admit(job_store, 3)
    await claim(stale)
    await claim(stale)
    slower = await claim(leases)
    assert set(await reap(connection)) == set(ids[:2])
    await connection.redis.zadd("safelight:leases", {slower.job_id: 0})
    assert await reap(connection) == ids[2:]
    assert await attempts(job_store, ids) == {0}
    assert [(await claim(leases)).job_id, await leases.claim("w1")] == [ids[0], None]


async def test_what_is_drained_is_no_suspect(job_store: JobStore, leases: Leases) -> None:
    ids = await admit(job_store, 2)
    await leases.give_back([await claim(leases), await claim(leases)], "drained")
    assert await attempts(job_store, ids) == {0}
    assert [(await claim(leases)).job_id for _ in ids] == ids


async def test_a_suspect_that_is_passed_over_has_its_turn_in_the_end(
    job_store: JobStore, connection: StoreConnection
) -> None:
    """However much that is more urgent comes, and though the worker is never idle by itself."""
    eager = Leases(connection, lease_seconds=15, max_attempts=3, retention_seconds=3600, priority_patience_seconds=0)
    (patient,) = await admit(job_store, 1, "low")
    await eager.give_back([await claim(eager)], "lost")
    await admit(job_store, 20, "high")
    running = [await claim(eager)]
    while (lease := await eager.claim("w1")) is not None:
        running.append(lease)
    assert len(running) < 20
    for lease in running:
        await eager.settle(lease, "succeeded")
    assert (await claim(eager)).job_id == patient


async def test_a_claim_whose_answer_was_lost_is_the_same_claim(
    job_store: JobStore, connection: StoreConnection
) -> None:
    ids = await admit(job_store, 2)
    asked = ("w1", "e1", 15, 5, 60, "")
    assert [await connection.run("claim", *asked) for _ in range(3)] == [ids[0]] * 3
    assert (await job_store.get(ids[1])).status == "queued"
    assert await connection.run("claim", "w1", "e2", 15, 5, 60, "") == ids[1]


@pytest.mark.parametrize("why", ["lost", "drained"])
async def test_what_was_to_be_cancelled_is_cancelled(job_store: JobStore, leases: Leases, why: str) -> None:
    ids = await admit(job_store, 2)
    held = [await claim(leases), await claim(leases)]
    await job_store.cancel(ids[0])
    await leases.give_back(held, why)  # type: ignore[arg-type]
    assert [(await job_store.get(job_id)).status for job_id in ids] == ["cancelled", "queued"]
