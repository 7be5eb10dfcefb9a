"""Quotas: a bucket of pixel-steps that fills by the second, drawn from in the step that admits; jobs at a time."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import floats, integers, lists, tuples

from contract.errors import QuotaExceeded, QuotaTooSmall, UnknownFile
from contract.job_store import Admission, JobStore
from contract.leases import Leases
from contract.quotas import Allowance, Quota
from contract.request import GenerationRequest
from contract.store_connection import StoreConnection
from contract.terms import Repeatable, Terms
from tests.conftest import complete_request

REQUEST = GenerationRequest(prompt="x")
ORDER = Terms(repeatable=Repeatable("order"))
COST = 64 * 64 * 4
"""What `complete_request` costs."""

SLOW = Quota(pixel_steps_per_second=COST / 1000, burst=3 * COST)
"""Three jobs at once, and one in a thousand seconds."""


async def admit(job_store: JobStore, quota: Quota = SLOW, account: str = "k", **options: object) -> Admission:
    changes = options.pop("changes", {})
    return await job_store.admit(
        REQUEST,
        complete_request(**changes),  # type: ignore[arg-type]
        max_queued=1000,
        allowance=Allowance(quota, account),
        **options,  # type: ignore[arg-type]
    )


async def test_a_bucket_gives_what_it_holds_and_then_says_when(job_store: JobStore) -> None:
    for _ in range(3):
        await admit(job_store)
    with pytest.raises(QuotaExceeded, match=f"{COST} pixel-steps") as refused:
        await admit(job_store)
    assert 990 <= refused.value.retry_after_seconds <= 1000
    await admit(job_store, account="other")
    assert (await job_store.counts())["queued"] == 4


async def test_a_refused_job_costs_nothing(job_store: JobStore) -> None:
    await admit(job_store)
    for _ in range(5):
        with pytest.raises(QuotaExceeded):
            await admit(job_store, changes={"num_images": 3})
        with pytest.raises(UnknownFile):
            await admit(job_store, changes={"image": f"file_{0:032x}"})
    await admit(job_store, changes={"num_images": 2})


async def test_a_replay_costs_nothing_however_empty_the_bucket(job_store: JobStore) -> None:
    jobs = {(await admit(job_store, terms=ORDER)).job.id for _ in range(9)}
    assert len(jobs) == 1
    await admit(job_store, changes={"num_images": 2})
    assert (await admit(job_store, terms=ORDER)).replayed


async def test_what_never_fits_is_said_at_once(job_store: JobStore) -> None:
    with pytest.raises(QuotaTooSmall, match=str(4 * COST)) as refused:
        await admit(job_store, changes={"num_images": 4})
    assert refused.value.retryable is False
    await admit(job_store, changes={"num_images": 3})


async def test_a_bucket_that_is_full_is_forgotten(job_store: JobStore, connection: StoreConnection) -> None:
    await admit(job_store)
    (key,) = await connection.redis.keys("safelight:bucket:*")
    assert 990_000 <= await connection.redis.pttl(key) <= 1_000_000


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(lists(tuples(integers(1, 4), floats(0, 2000)), min_size=1, max_size=15))
async def test_a_bucket_is_as_a_model_of_it(store_url: str, calls: list[tuple[int, float]]) -> None:
    """Time passes by moving the moment at which the bucket is full; the model fills by the second."""
    connection = StoreConnection(store_url)
    await connection.redis.flushall()
    job_store = JobStore(connection, retention_seconds=3600)
    level = 3.0
    for num_images, seconds in calls:
        if (full_at := await connection.redis.get("safelight:bucket:k")) is not None:
            await connection.redis.set("safelight:bucket:k", float(full_at) - seconds)
        level = min(3.0, level + seconds / 1000)
        try:
            await admit(job_store, changes={"num_images": num_images})
            admitted = True
        except (QuotaExceeded, QuotaTooSmall):
            admitted = False
        if abs(level - num_images) > 0.01:
            assert admitted == (level >= num_images)
        level -= num_images if admitted else 0
    await connection.close()


async def test_jobs_that_wait_are_bounded_by_tenant(job_store: JobStore, leases: Leases) -> None:
    quota = Quota(max_queued=2)
    acme = job_store.of("acme")
    await admit(acme, quota)
    await admit(acme, quota, account="another key")
    with pytest.raises(QuotaExceeded):
        await admit(acme, quota)
    await admit(job_store.of("other"), quota)
    await leases.claim("w")
    await leases.claim("w")
    await admit(acme, quota)


def test_a_burst_is_a_minute_where_nobody_says() -> None:
    assert Quota(pixel_steps_per_second=100).capacity == 6000
    assert Quota(pixel_steps_per_second=100, burst=1).capacity == 1
    assert Quota().capacity is None
    with pytest.raises(ValueError, match="burst"):
        Quota(burst=1)
