"""Which job a worker takes: one of a model that it has in memory, and nobody waits long for that."""

import json

import pytest

from contract.job_events import FIRST
from contract.job_store import JobStore
from contract.leases import Leases
from contract.store_connection import StoreConnection
from tests.contract.test_job_store import admit, positions


def leases_of(connection: StoreConnection, patience_seconds: float) -> Leases:
    return Leases(
        connection, lease_seconds=15, max_attempts=3, retention_seconds=3600, patience_seconds=patience_seconds
    )


@pytest.fixture
def patient(connection: StoreConnection) -> Leases:
    """Leases under which a young job may be overtaken for an hour."""
    return leases_of(connection, 3600)


async def queue_of(job_store: JobStore, models: str) -> list[str]:
    """The ids of waiting jobs of these models, one letter each."""
    return [(await admit(job_store, model=model)).id for model in models]


async def taken(leases: Leases, *resident: str) -> str:
    lease = await leases.claim("w", resident)
    assert lease is not None
    return lease.job_id


async def test_the_first_job_of_a_resident_model_is_taken(job_store: JobStore, patient: Leases) -> None:
    ids = await queue_of(job_store, "abcbc")
    assert await taken(patient, "b", "c") == ids[1]
    assert await taken(patient, "b", "c") == ids[2]
    assert await taken(patient, "b") == ids[3]
    assert await taken(patient, "c") == ids[4]
    assert await taken(patient, "c") == ids[0], "nothing matches, so the head is taken"
    assert await patient.claim("w", ["c"]) is None


async def test_a_worker_that_names_no_model_takes_the_head(job_store: JobStore, patient: Leases) -> None:
    ids = await queue_of(job_store, "ab")
    assert [await taken(patient), await taken(patient)] == ids


async def test_only_the_first_sixteen_are_looked_at(job_store: JobStore, patient: Leases) -> None:
    ids = await queue_of(job_store, "a" * 16 + "bb")
    assert await taken(patient, "b") == ids[0]
    assert await taken(patient, "b") == ids[16]
    assert await taken(patient, "b") == ids[17]


async def test_a_job_as_old_as_the_patience_is_overtaken_by_nobody(
    job_store: JobStore, patient: Leases, connection: StoreConnection
) -> None:
    ids = await queue_of(job_store, "aaabbb")
    assert await taken(patient, "b") == ids[3]
    key = f"safelight:job:{ids[2]}"
    for older in ids[:3]:
        created_at = float(await connection.redis.hget(key, "created_at"))
        await connection.redis.hset(f"safelight:job:{older}", "created_at", created_at - 60)
    leases = leases_of(connection, 30)
    assert [await taken(leases, "b") for _ in range(3)] == ids[:3], "in order, though none of them matches"
    assert [await taken(leases, "a") for _ in range(2)] == ids[4:]


async def test_without_patience_the_queue_is_served_in_order(job_store: JobStore, connection: StoreConnection) -> None:
    ids = await queue_of(job_store, "abab")
    assert [await taken(leases_of(connection, 0), "b") for _ in ids] == ids


async def test_records_of_an_older_version_are_taken(
    job_store: JobStore, patient: Leases, connection: StoreConnection
) -> None:
    ids = await queue_of(job_store, "ab")
    for field in ("model", "work", "no_store"):
        await connection.redis.hdel(f"safelight:job:{ids[0]}", field)
    assert (await job_store.get(ids[0])).no_store is False
    assert [await taken(patient, "b") for _ in ids] == ids


async def test_an_id_without_a_record_is_passed_over(
    job_store: JobStore, patient: Leases, connection: StoreConnection
) -> None:
    await connection.redis.rpush("rq:queue:generations", "job_gone")
    ids = await queue_of(job_store, "ab")
    assert await taken(patient, "b") in ids
    assert await taken(patient, "b") in ids
    assert await connection.redis.llen("rq:queue:generations") == 0


async def test_a_job_that_is_overtaken_keeps_its_events_and_its_rq_record(
    job_store: JobStore, patient: Leases, connection: StoreConnection
) -> None:
    ids = await queue_of(job_store, "ab")
    await taken(patient, "b")
    assert await connection.redis.lrange("rq:queue:generations", 0, -1) == [ids[0]]
    assert await positions(job_store, ids) == {ids[0]: 1}
    first = await job_store.read_events(ids[1], FIRST)
    events = [*first, *await job_store.read_events(ids[1], first[-1].id)]
    assert [(event.name, json.loads(event.data)) for event in events] == [("queued", {}), ("started", {"attempt": 1})]
