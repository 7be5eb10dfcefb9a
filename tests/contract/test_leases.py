"""Leases: exactly one execution of a job can change it."""

import asyncio

from contract.artifact import Artifact
from contract.job import JobFailure
from contract.job_store import JobStore
from contract.leases import Lease, Leases
from contract.store_connection import StoreConnection
from contract.traces import Trace, TraceFile
from tests.contract.test_job_store import admit, claim
from tests.waiting import wait_until_async

FAILURE = JobFailure(code="generation_failed", message="No.", retryable=False)


def artifact(index: int = 0) -> Artifact:
    return Artifact(
        id=f"art_{index}",
        index=index,
        seed=7,
        width=64,
        height=64,
        media_type="image/png",
        size_bytes=3,
        sha256="00",
        storage_key=f"k{index}",
    )


async def reap(connection: StoreConnection, max_attempts: int = 3) -> list[str]:
    """Reaps as a server would that is old enough."""
    reaper = Leases(connection, lease_seconds=-1, max_attempts=max_attempts, retention_seconds=3600)

    async def reaped() -> list[str]:
        return await reaper.reap()

    return await wait_until_async(reaped, 5)


async def test_jobs_are_claimed_in_order_and_once(job_store: JobStore, leases: Leases) -> None:
    jobs = [await admit(job_store) for _ in range(3)]
    claimed = [await claim(leases) for _ in jobs]
    assert [lease.job_id for lease in claimed] == [job.id for job in jobs]
    assert await leases.claim("worker-2") is None
    job = await job_store.get(jobs[0].id)
    assert (job.status, job.attempt) == ("running", 1)
    assert job.started_at is not None


async def test_waiting_for_work_takes_nothing_out(job_store: JobStore, leases: Leases) -> None:
    jobs = [await admit(job_store) for _ in range(3)]
    assert await leases.wait_for_work()
    assert await leases.wait_for_work()
    assert [(await claim(leases)).job_id for _ in jobs] == [job.id for job in jobs]


async def test_a_reaped_execution_can_change_nothing(
    job_store: JobStore, leases: Leases, stale: Leases, connection: StoreConnection
) -> None:
    job = await admit(job_store)
    old = await claim(stale)
    assert await reap(connection) == [job.id]
    assert (await job_store.get(job.id)).status == "queued"
    new = await claim(leases)
    assert [renewal.held for renewal in await leases.renew([old, new])] == [False, True]
    assert not await leases.report(old, 3, None, [("progress", "{}")])
    assert not await leases.publish_image(old, artifact())
    assert not await leases.settle(old, "succeeded")
    assert await leases.give_back([old], "lost") == 0
    assert await leases.publish_image(new, artifact())
    assert await leases.settle(new, "succeeded")
    ended = await job_store.get(job.id)
    assert (ended.status, ended.attempt, ended.images) == ("succeeded", 2, (artifact(),))


async def test_a_job_fails_after_its_last_attempt(
    job_store: JobStore, stale: Leases, connection: StoreConnection
) -> None:
    job = await admit(job_store)
    for _ in range(2):
        await claim(stale)
        await reap(connection, max_attempts=2)
    ended = await job_store.get(job.id)
    assert ended.status == "failed"
    assert ended.error is not None
    assert (ended.error.code, ended.error.retryable) == ("worker_died", True)


async def test_a_drained_job_keeps_its_attempts_and_its_place(job_store: JobStore, leases: Leases) -> None:
    first, second, third = [await admit(job_store) for _ in range(3)]
    held = [await claim(leases), await claim(leases)]
    assert await leases.give_back(held, "drained") == 2
    assert (await job_store.get(first.id)).attempt == 0
    assert [(await claim(leases)).job_id for _ in range(3)] == [first.id, second.id, third.id]


async def test_a_cancelled_job_whose_worker_died_ends_as_cancelled(
    job_store: JobStore, stale: Leases, connection: StoreConnection
) -> None:
    job = await admit(job_store)
    await claim(stale)
    await job_store.cancel(job.id)
    await reap(connection)
    assert (await job_store.get(job.id)).status == "cancelled"


async def test_a_published_image_stays_through_another_attempt(
    job_store: JobStore, leases: Leases, connection: StoreConnection
) -> None:
    job = await admit(job_store, num_images=2)
    lease = await claim(leases)
    assert await leases.publish_image(lease, artifact(1))
    assert await leases.publish_image(lease, artifact(1)), "the same again, as after a lost answer"
    assert not await leases.publish_image(lease, artifact(1).model_copy(update={"storage_key": "another"}))
    await leases.give_back([lease], "lost")
    assert (await job_store.get(job.id)).images == (artifact(1),)


async def test_an_image_and_its_trace_are_visible_at_once_or_never(
    job_store: JobStore, leases: Leases, stale: Leases, connection: StoreConnection
) -> None:
    job = await admit(job_store)
    old = await claim(stale)
    await reap(connection)
    new = await claim(leases)
    assert not await leases.publish_image(old, artifact(), trace("old"))
    assert (await job_store.get(job.id)).trace is None
    assert await leases.publish_image(new, artifact(), trace("new"))
    assert (await job_store.get(job.id)).trace == trace("new")
    assert not await leases.publish_image(new, artifact().model_copy(update={"storage_key": "other"}), trace("other"))
    assert (await job_store.get(job.id)).trace == trace("new")


def trace(name: str) -> Trace:
    file = TraceFile(
        id="art_1_trace", name="trace", media_type="application/json", size_bytes=1, sha256=name, storage_key=name
    )
    return Trace(files=(file,))


async def test_a_failure_is_kept(job_store: JobStore, leases: Leases) -> None:
    job = await admit(job_store)
    lease = await claim(leases)
    await leases.warn(lease, "the prompt was cut")
    await leases.warn(lease, "the prompt was cut")
    assert await leases.settle(lease, "failed", FAILURE)
    ended = await job_store.get(job.id)
    assert (ended.error, ended.warnings) == (FAILURE, ("the prompt was cut",))
    assert not await leases.settle(lease, "succeeded")


async def test_a_young_server_is_given_a_lease_before_anything_is_reaped(
    job_store: JobStore, stale: Leases, connection: StoreConnection
) -> None:
    await admit(job_store)
    await claim(stale)
    patient = Leases(connection, lease_seconds=1e6, max_attempts=3, retention_seconds=3600)
    assert await patient.reap() == []


async def test_a_claimed_id_without_a_record_is_passed_over(
    job_store: JobStore, leases: Leases, connection: StoreConnection
) -> None:
    await connection.redis.rpush("rq:queue:generations", "job_gone")
    job = await admit(job_store)
    assert await claim(leases) == Lease(job.id, (await connection.redis.hget(f"safelight:job:{job.id}", "execution")))


async def test_wishes_are_heard_as_they_are_spoken(job_store: JobStore, leases: Leases) -> None:
    job = await admit(job_store)
    await claim(leases)
    wishes = leases.wishes()
    heard = asyncio.ensure_future(anext(wishes))

    async def spoken() -> bool:
        await job_store.wish_previews(job.id)
        return heard.done()

    await wait_until_async(spoken, 5)
    assert heard.result() == ("previews", job.id)
    await job_store.cancel(job.id)
    async for wish, job_id in wishes:
        if wish == "cancel":
            assert job_id == job.id
            break
    await wishes.aclose()
