"""How long a job is kept: for as long as its client asks for, and never longer than the operator allows."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from contract.job_store import JobStore
from contract.store_connection import StoreConnection
from tests.app.conftest import BODY, Player, assert_error, submit
from tests.pictures import encoded, gradient

WEEK = 7 * 24 * 3600


def ahead(seconds: float) -> str:
    """A time that is so far ahead."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def shown(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = (await client.get(f"/v1/jobs/{job_id}")).json()
    return job


def kept_seconds(job: dict[str, Any]) -> float:
    return (datetime.fromisoformat(job["expires_at"]) - datetime.fromisoformat(job["finished_at"])).total_seconds()


async def test_a_job_is_kept_as_long_as_its_client_asks(client: httpx.AsyncClient, player: Player) -> None:
    asked = await submit(client, retention_seconds=60)
    not_asked = await submit(client)
    assert (await shown(client, asked))["expires_at"] is None, "it has not ended"
    await player.finish()
    await player.finish()
    assert kept_seconds(await shown(client, asked)) == 60
    assert kept_seconds(await shown(client, not_asked)) == 3600, "as the worker that ended it says"


async def test_a_job_can_be_given_a_time(client: httpx.AsyncClient, player: Player, job_store: JobStore) -> None:
    until = ahead(600)
    headers = {"Idempotency-Key": "k"}
    first = await client.post("/v1/generations", json=BODY | {"expires_at": until}, headers=headers)
    job_id = first.json()["id"]
    assert datetime.fromisoformat(first.json()["expires_at"]) == datetime.fromisoformat(until)
    await player.finish()
    assert (await shown(client, job_id))["expires_at"] == first.json()["expires_at"]
    again = await client.post("/v1/generations", json=BODY | {"expires_at": until}, headers=headers)
    assert again.content == first.content
    assert "expires_at" not in first.json()["request"]


async def test_a_time_is_never_later_than_everybodys(client: httpx.AsyncClient, player: Player) -> None:
    job_id = await submit(client, expires_at=ahead(WEEK - 60))
    await player.finish()
    assert kept_seconds(await shown(client, job_id)) == 3600


async def test_a_job_that_outlives_its_time_is_due_when_it_ends(
    client: httpx.AsyncClient, player: Player, job_store: JobStore, connection: StoreConnection
) -> None:
    job_id = await submit(client, expires_at=ahead(3600))
    assert await job_store.expired(10) == []
    await connection.redis.hset(f"safelight:job:{job_id}", "expire_by", "1.000000")
    await connection.redis.zadd("safelight:expiring", {job_id: 1})
    assert await job_store.expired(10) == [job_id]
    await player.finish()
    assert kept_seconds(await shown(client, job_id)) == 0
    assert await job_store.expired(10) == [job_id]


async def test_pictures_that_come_along_are_kept_no_longer(client: httpx.AsyncClient) -> None:
    picture = encoded(gradient())
    mine = (await client.post("/v1/files", files={"file": picture})).json()["id"]
    for asked in ({"retention_seconds": 600}, {"expires_at": ahead(600)}):
        brought = {**BODY, "image": data_uri(picture), "resize": "stretch", **asked}
        answer = await client.post("/v1/generations", json=brought)
        assert answer.status_code == 202, answer.text
        files = {file["id"]: file for file in (await client.get("/v1/files")).json()["data"]}
        lives = {name: seconds_left(file) for name, file in files.items()}
        assert 590 < lives[answer.json()["request"]["image"]] <= 600
        assert lives[mine] > 600, "a file that was sent by itself has a time of its own"


def data_uri(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def seconds_left(file: dict[str, Any]) -> float:
    return (datetime.fromisoformat(file["expires_at"]) - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"retention_seconds": 0}, "invalid_request", "retention_seconds"),
        ({"retention_seconds": 1.5}, "invalid_request", "retention_seconds"),
        ({"retention_seconds": "60"}, "invalid_request", "retention_seconds"),
        ({"retention_seconds": WEEK + 1}, "limit_exceeded", "retention_seconds"),
        ({"expires_at": ahead(-1)}, "invalid_request", "expires_at"),
        ({"expires_at": ahead(2 * WEEK)}, "limit_exceeded", "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "invalid_request", "expires_at"),
        ({"expires_at": 1900000000}, "invalid_request", "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "limit_exceeded", "expires_at"),
        ({"expires_at": "tomorrow"}, "invalid_request", "expires_at"),
        ({"expires_at": ahead(WEEK / 2), "retention_seconds": 60}, "invalid_request", "expires_at"),
    ],
)
async def test_what_cannot_be_asked_for(
    client: httpx.AsyncClient, asked: dict[str, Any], code: str, field: str
) -> None:
    assert_error(await client.post("/v1/generations", json=BODY | asked), 422, code, field)


async def test_a_repeated_key_is_held_against_the_retention(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    await client.post("/v1/generations", json=BODY | {"retention_seconds": 60}, headers=headers)
    for other in ({}, {"retention_seconds": 61}, {"expires_at": ahead(60)}):
        answer = await client.post("/v1/generations", json=BODY | other, headers=headers)
        assert_error(answer, 409, "idempotency_conflict", "Idempotency-Key")
