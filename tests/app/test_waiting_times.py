"""What clients are told of the time to the end of their jobs, and of what they wish not to be stored."""

import json

import httpx
import pytest

from app.prefer import forbids_storing
from contract.costs import Cost, Costs
from contract.job_store import JobStore
from contract.liveness import Liveness, Pulse
from contract.store_connection import StoreConnection
from tests.app.conftest import BODY, Player, submit

COST = Cost("safelight-emoji", 128, 128, 0.025, 0.05, 0.5)
WORK = 20 * 2 * 0.025 + 0.5
"""Seconds of one guided picture of 20 steps, alone or not."""


@pytest.fixture
async def measured(connection: StoreConnection) -> None:
    """One live worker, which has measured the model."""
    await Liveness(connection, lease_seconds=15).beat(Pulse("w", 0, 0, 0, 0.0))
    await Costs(connection).report("w", [COST])


async def eta(client: httpx.AsyncClient, job_id: str) -> float | None:
    progress = (await client.get(f"/v1/jobs/{job_id}")).json()["progress"]
    found: float | None = progress["eta_seconds"]
    return found


@pytest.mark.usefixtures("measured")
async def test_a_waiting_job_says_when_it_will_end(client: httpx.AsyncClient, player: Player) -> None:
    first, second, third = [await submit(client) for _ in range(3)]
    assert [await eta(client, job_id) for job_id in (first, second, third)] == [WORK, 2 * WORK, 3 * WORK]
    lease = await player.claim()
    assert await eta(client, first) == WORK, "it has no step yet"
    await player.report(lease, 10)
    assert await eta(client, first) == 1.5, "its execution knows better"
    assert await eta(client, second) == pytest.approx(1.5 * WORK)
    await client.post(f"/v1/jobs/{second}/cancel")
    assert await eta(client, third) == pytest.approx(1.5 * WORK)
    await player.settle(lease)
    assert await eta(client, first) == 0.0
    listed = (await client.get("/v1/jobs")).json()["data"]
    assert [job["progress"]["eta_seconds"] for job in listed] == [WORK, None, 0.0]


@pytest.mark.usefixtures("measured")
async def test_what_was_said_at_the_admission_is_said_again(client: httpx.AsyncClient, player: Player) -> None:
    await submit(client)
    headers = {"Idempotency-Key": "k"}
    first = await client.post("/v1/generations", json=BODY, headers=headers)
    assert first.json()["progress"]["eta_seconds"] == 2 * WORK
    await player.finish()
    await player.finish()
    assert (await client.post("/v1/generations", json=BODY, headers=headers)).content == first.content


@pytest.mark.usefixtures("measured")
async def test_other_sizes_and_samplers_are_predicted_from_the_measured_one(client: httpx.AsyncClient) -> None:
    assert await eta(client, await submit(client, height=64)) == pytest.approx(WORK / 2)
    heun = {"scheduler": "heun", "num_inference_steps": 10, "guidance_scale": 1.0}
    assert await eta(client, await submit(client, **heun)) == pytest.approx(WORK / 2 + 19 * 0.025 + 0.5)


async def test_nobody_knows_without_a_worker_or_a_measurement(
    client: httpx.AsyncClient, connection: StoreConnection
) -> None:
    job_id = await submit(client)
    assert await eta(client, job_id) is None
    await Liveness(connection, lease_seconds=15).beat(Pulse("w", 0, 0, 0, 0.0))
    assert await eta(client, job_id) is None


async def test_the_wish_not_to_store_is_kept_with_the_job(client: httpx.AsyncClient, job_store: JobStore) -> None:
    for header, no_store in {"no-store": True, "max-age=0, No-Store": True, "no-cache": False, "": False}.items():
        response = await client.post("/v1/generations", json=BODY, headers={"Cache-Control": header})
        assert (await job_store.get(response.json()["id"])).no_store is no_store
        assert "no_store" not in json.dumps(response.json())
    assert (await job_store.get(await submit(client))).no_store is False


def test_only_the_directive_itself_counts() -> None:
    assert forbids_storing(["no-cache", "private , no-store"])
    assert not forbids_storing(["no-store-please", "x=no-store", ""])
