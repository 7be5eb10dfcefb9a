"""What a key may ask for, over HTTP: quotas, priorities, and what something would cost."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from app.settings import AppSettings
from contract.costs import Cost, Costs
from contract.job import Priority
from contract.job_store import JobStore
from contract.key_texts import KeyText
from contract.keys import KeyGrant, KeyStore
from contract.liveness import Liveness, Pulse
from contract.quotas import Quota
from contract.store_connection import StoreConnection
from tests.app.conftest import BODY, Player, assert_error, client_of, submit
from tests.app.keys import ALL, bearer, make_key
from tests.app.test_references import data_uri
from tests.pictures import encoded, gradient

STEPS = BODY | {"num_inference_steps": 10}
COST = 128 * 128 * 10


async def key_of(
    connection: StoreConnection, quota: Quota | None = None, priorities: tuple[Priority, ...] = ("low", "normal")
) -> KeyText:
    grant = KeyGrant(tenant="acme", scopes=ALL, priorities=priorities, quota=quota or Quota())
    return await KeyStore(connection).create(grant)


@pytest.fixture
async def asked(settings: AppSettings, connection: StoreConnection) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that wants keys."""
    await make_key(connection, "somebody")
    async with client_of(settings) as client:
        yield client


async def test_what_a_key_has_asked_for_is_counted(asked: httpx.AsyncClient, connection: StoreConnection) -> None:
    text = await key_of(connection, Quota(pixel_steps_per_second=COST / 100, burst=2 * COST))
    headers = bearer(text)
    for _ in range(2):
        assert (await asked.post("/v1/generations", json=STEPS, headers=headers)).status_code == 202
    refused = await asked.post("/v1/generations", json=STEPS, headers=headers)
    assert_error(refused, 429, "quota_exceeded")
    assert 95 <= int(refused.headers["retry-after"]) <= 100
    assert str(COST) in refused.json()["error"]["message"]
    successor = await KeyStore(connection).rotate(text.id, timedelta(hours=1))
    again = await asked.post("/v1/generations", json=STEPS, headers=bearer(successor))
    assert_error(again, 429, "quota_exceeded")
    large = await asked.post("/v1/generations", json=STEPS | {"num_images": 3}, headers=headers)
    assert_error(large, 422, "quota_too_small", "num_images")


async def test_a_dialect_is_held_to_the_same_quota(asked: httpx.AsyncClient, connection: StoreConnection) -> None:
    headers = bearer(await key_of(connection, Quota(pixel_steps_per_second=1, burst=1)))
    refused = await asked.post("/v1/images/generations", json=BODY, headers=headers)
    assert refused.is_client_error
    assert "pixel-steps" in refused.text


async def test_a_key_asks_for_the_priorities_that_it_has(
    asked: httpx.AsyncClient, connection: StoreConnection, job_store: JobStore
) -> None:
    headers = bearer(await key_of(connection))
    for priority in ("low", "normal", None):
        created = await asked.post("/v1/generations", json=STEPS | {"priority": priority}, headers=headers)
        assert (created.status_code, created.json()["priority"]) == (202, priority or "normal")
        assert (await job_store.get(created.json()["id"])).priority == (priority or "normal")
    refused = await asked.post("/v1/generations", json=STEPS | {"priority": "high"}, headers=headers)
    assert_error(refused, 403, "forbidden", "priority")
    batch = bearer(await key_of(connection, priorities=("low",)))
    assert (await asked.post("/v1/generations", json=STEPS, headers=batch)).json()["priority"] == "low"


async def test_without_keys_every_priority_may_be_asked_for(client: httpx.AsyncClient, player: Player) -> None:
    ids = {priority: await submit(client, priority=priority) for priority in ("low", "normal", "high")}
    for place, priority in enumerate(("high", "normal", "low"), 1):
        assert (await client.get(f"/v1/jobs/{ids[priority]}")).json()["queue_position"] == place
    assert [(await player.claim()).job_id for _ in ids] == [ids["high"], ids["normal"], ids["low"]]
    wrong = await client.post("/v1/generations", json=BODY | {"priority": "urgent"})
    assert_error(wrong, 422, "invalid_request", "priority")


async def test_a_priority_is_no_part_of_the_picture(client: httpx.AsyncClient) -> None:
    first = (await client.post("/v1/generations", json=BODY | {"seed": 7, "priority": "high"})).json()
    second = (await client.post("/v1/generations", json=BODY | {"seed": 7})).json()
    assert first["request"] == second["request"]
    assert "priority" not in first["request"]
    assert (await client.post("/v1/generations", json=first["request"])).status_code == 202


async def test_another_priority_under_the_same_key_is_another_body(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order"}
    first = await client.post("/v1/generations", json=BODY | {"priority": "low"}, headers=headers)
    again = await client.post("/v1/generations", json=BODY | {"priority": "low"}, headers=headers)
    assert first.json()["id"] == again.json()["id"]
    assert_error(
        await client.post("/v1/generations", json=BODY, headers=headers), 409, "idempotency_conflict", "Idempotency-Key"
    )


async def test_a_dry_run_says_what_it_would_cost_and_accepts_nothing(
    client: httpx.AsyncClient, connection: StoreConnection, job_store: JobStore
) -> None:
    await Liveness(connection, lease_seconds=15).beat(Pulse("w", 0, 0, 0, 0.0))
    await Costs(connection).report("w", [Cost("safelight-emoji", 128, 128, 0.1, 0.1, 0.0)])
    await submit(client, num_inference_steps=10, guidance_scale=1.0)
    asked = STEPS | {"num_images": 2, "guidance_scale": 1.0}
    answer = await client.post("/v1/generations?dry_run=true", json=asked | {"priority": "low"})
    assert answer.status_code == 200
    assert answer.json() == {
        "object": "quote",
        "cost": {"pixel_steps": 2 * COST, "network_rows": 20, "gradients": 0, "classifier_gradients": 0},
        "priority": "low",
        "queue_position": 2,
        "eta_seconds": 3.0,
    }
    assert (await job_store.counts())["queued"] == 1
    created = (await client.post("/v1/generations", json=asked)).json()
    assert created["progress"]["eta_seconds"] == 3.0
    assert created["cost"] == answer.json()["cost"]


async def test_a_dry_run_leaves_no_files_and_is_as_strict(client: httpx.AsyncClient) -> None:
    picture = data_uri(encoded(gradient()))
    answer = await client.post("/v1/generations?dry_run=true", json=BODY | {"image": picture, "resize": "stretch"})
    assert answer.status_code == 200
    assert (await client.get("/v1/files")).json()["data"] == []
    response = await client.post("/v1/generations?dry_run=true", json=BODY | {"num_inference_steps": 100_000})
    assert_error(response, 422, "limit_exceeded", "num_inference_steps")
