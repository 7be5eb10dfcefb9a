"""JobStore: admission, reading, listing, following, cancelling, deleting."""

import asyncio

import pytest

from contract.errors import IdempotencyConflict, JobNotEnded, QueueFull, StoreUnavailable, UnknownJob
from contract.job import Job
from contract.job_store import Admission, JobStore
from contract.leases import Lease, Leases
from contract.request import GenerationRequest
from contract.store_connection import StoreConnection
from contract.terms import Repeatable, Terms
from tests.conftest import complete_request

REQUEST = GenerationRequest(prompt="a red apple")
KEPT = Terms(repeatable=Repeatable("k"))


async def positions(job_store: JobStore, job_ids: list[str]) -> dict[str, int]:
    """The place of each job that waits."""
    places = (await job_store.outlook(job_ids)).places
    return {job_id: place.position for job_id, place in places.items()}


async def admit(job_store: JobStore, **changes: object) -> Job:
    admission = await job_store.admit(REQUEST, complete_request(**changes), max_queued=100)
    return admission.job


async def claim(leases: Leases) -> Lease:
    lease = await leases.claim("worker-1")
    assert lease is not None
    return lease


async def test_an_admitted_job_waits_with_its_complete_request(job_store: JobStore) -> None:
    job = await admit(job_store, seed=11, metadata={"order": "42"})
    assert job == await job_store.get(job.id)
    assert (job.status, job.attempt, job.request.seed, job.request.metadata) == ("queued", 0, 11, {"order": "42"})
    assert await positions(job_store, [job.id, "job_x"]) == {job.id: 1}


async def test_the_same_key_and_body_make_one_job_however_many_ask_at_once(job_store: JobStore) -> None:
    calls = [job_store.admit(REQUEST, complete_request(seed=n), KEPT, max_queued=99) for n in range(20)]
    admissions = await asyncio.gather(*calls)
    assert len({admission.job.id for admission in admissions}) == 1
    assert sum(not admission.replayed for admission in admissions) == 1
    assert (await job_store.counts())["queued"] == 1


async def test_a_replayed_job_shows_itself_as_it_was_admitted(job_store: JobStore, leases: Leases) -> None:
    first = await job_store.admit(REQUEST, complete_request(), KEPT, max_queued=9)
    await leases.settle(await claim(leases), "succeeded")
    again = await job_store.admit(REQUEST, complete_request(), KEPT, max_queued=9)
    assert again.replayed
    assert again.job.status == "succeeded"
    assert again.job.as_admitted() == first.job


async def test_the_same_key_with_another_body_is_a_conflict(job_store: JobStore) -> None:
    await job_store.admit(REQUEST, complete_request(), KEPT, max_queued=9)
    with pytest.raises(IdempotencyConflict):
        await job_store.admit(GenerationRequest(prompt="a fox"), complete_request(), KEPT, max_queued=9)


async def test_a_call_that_repeats_none_takes_the_key(job_store: JobStore) -> None:
    async def admission(takes_key: bool) -> Admission:
        terms = Terms(repeatable=Repeatable("k", fresh=takes_key))
        return await job_store.admit(REQUEST, complete_request(), terms, max_queued=9)

    first, second = await admission(True), await admission(True)
    assert first.job.id != second.job.id
    again = await admission(False)
    assert (again.job.id, again.replayed) == (second.job.id, True)
    await job_store.cancel(first.job.id)
    await job_store.delete(first.job.id)
    assert (await admission(False)).job.id == second.job.id, "the key went with a job that had lost it"
    await job_store.cancel(second.job.id)
    await job_store.delete(second.job.id)
    assert not (await admission(False)).replayed


async def test_a_key_is_forgotten_in_its_time(job_store: JobStore, connection: StoreConnection) -> None:
    await job_store.admit(REQUEST, complete_request(), Terms(repeatable=Repeatable("k", 60)), max_queued=9)
    keys = [key async for key in connection.redis.scan_iter("safelight:idempotency:*")]
    assert len(keys) == 1
    assert 0 < await connection.redis.ttl(keys[0]) <= 60


async def test_the_bound_of_the_queue_holds_under_concurrency(job_store: JobStore) -> None:
    calls = [job_store.admit(REQUEST, complete_request(), max_queued=5) for _ in range(12)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, QueueFull) for answer in answers) == 7
    assert (await job_store.counts())["queued"] == 5


async def test_pages_are_newest_first_and_stable_under_inserts(job_store: JobStore) -> None:
    ids = [(await admit(job_store)).id for _ in range(5)]
    page, cursor = await job_store.page(limit=2)
    await admit(job_store)
    rest, end = await job_store.page(limit=9, cursor=cursor)
    assert [job.id for job in page + rest] == ids[::-1]
    assert end is None


async def test_pages_can_be_of_one_status(job_store: JobStore, leases: Leases) -> None:
    first, second = await admit(job_store), await admit(job_store)
    await claim(leases)
    assert [job.id for job in (await job_store.page(status="running", limit=9))[0]] == [first.id]
    assert [job.id for job in (await job_store.page(status="queued", limit=9))[0]] == [second.id]


async def test_following_sees_every_event_once_and_resumes_in_between(job_store: JobStore, leases: Leases) -> None:
    job = await admit(job_store)
    lease = await claim(leases)
    await leases.report(lease, 1, 2.5, [("progress", '{"step":1}'), ("progress", '{"step":2}')])
    await leases.settle(lease, "succeeded")
    events = [event async for event in job_store.follow(job.id) if event]
    assert [event.name for event in events] == ["queued", "started", "progress", "progress", "succeeded"]
    resumed = [event async for event in job_store.follow(job.id, after=events[2].id) if event]
    assert resumed == events[3:]


async def test_following_a_waiting_job_begins_at_once_and_can_be_resumed(job_store: JobStore, leases: Leases) -> None:
    job = await admit(job_store)
    events = job_store.follow(job.id)
    first = await anext(events)
    assert first is not None
    assert first.name == "queued"
    lease = await claim(leases)
    await leases.settle(lease, "succeeded")
    resumed = [event async for event in job_store.follow(job.id, after=first.id) if event]
    assert [event.name for event in resumed] == ["started", "succeeded"]
    assert [event async for event in events] == resumed


async def test_a_waiting_job_takes_little_memory(job_store: JobStore, connection: StoreConnection) -> None:
    job = await admit(job_store, prompt="word " * 60)
    keys = [key for key in await connection.redis.keys() if job.id in key]
    assert sum([await connection.redis.memory_usage(key) for key in keys]) < 1600


async def test_what_a_record_leaves_out_is_null_again_when_it_is_read(job_store: JobStore) -> None:
    request = complete_request(guidance_scale=None, guidance=[{"kind": "cfg_pp", "scale": 0.5}])
    admission = await job_store.admit(REQUEST, request, max_queued=9)
    assert (await job_store.get(admission.job.id)).request == request


async def test_following_past_the_last_event_ends(job_store: JobStore) -> None:
    job = await admit(job_store)
    await job_store.cancel(job.id)
    last = [event async for event in job_store.follow(job.id)][-1]
    assert last is not None
    assert [event async for event in job_store.follow(job.id, after=last.id)] == []


async def test_a_cancelled_waiting_job_never_starts(job_store: JobStore, leases: Leases) -> None:
    job = await admit(job_store)
    assert (await job_store.cancel(job.id)).status == "cancelled"
    assert await leases.claim("worker-1") is None
    assert (await job_store.cancel(job.id)).status == "cancelled"


async def test_a_running_job_hears_of_its_cancellation_with_the_next_renewal(
    job_store: JobStore, leases: Leases
) -> None:
    job = await admit(job_store)
    lease = await claim(leases)
    assert (await job_store.cancel(job.id)).status == "running"
    (renewal,) = await leases.renew([lease])
    assert renewal.held
    assert renewal.cancel_requested


async def test_deleting_removes_every_key_that_names_the_job(
    job_store: JobStore, leases: Leases, connection: StoreConnection
) -> None:
    job = await admit(job_store)
    with pytest.raises(JobNotEnded):
        await job_store.delete(job.id)
    lease = await claim(leases)
    with pytest.raises(JobNotEnded):
        await job_store.delete(job.id)
    await leases.settle(lease, "cancelled")
    await job_store.delete(job.id)
    with pytest.raises(UnknownJob):
        await job_store.get(job.id)
    with pytest.raises(UnknownJob):
        await job_store.delete(job.id)
    left = set(await connection.redis.keys())
    assert left == {"safelight:sequence", "safelight:statistics", "rq:queues"}


async def test_a_job_expires_when_its_time_is_over(connection: StoreConnection) -> None:
    job_store = JobStore(connection, retention_seconds=0)
    job = await admit(job_store)
    await job_store.cancel(job.id)
    assert await job_store.expired(10) == [job.id]


async def test_an_absent_server_is_a_typed_error() -> None:
    connection = StoreConnection("unix:///nowhere.sock")
    with pytest.raises(StoreUnavailable):
        await JobStore(connection, retention_seconds=1).get("job_x")
    await connection.close()
