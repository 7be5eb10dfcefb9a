"""Jobs: reading, listing, cancelling, removing."""

import httpx

from contract.job import JobFailure
from tests.app.conftest import Player, assert_error, submit


async def test_a_job_is_shown_as_it_goes(client: httpx.AsyncClient, player: Player) -> None:
    first, second = await submit(client, num_images=2), await submit(client)
    assert (await client.get(f"/v1/jobs/{second}")).json()["queue_position"] == 2
    lease = await player.claim()
    await player.report(lease, 10)
    running = (await client.get(f"/v1/jobs/{first}")).json()
    assert (running["status"], running["attempt"], running["queue_position"]) == ("running", 1, None)
    assert running["progress"] == {"step": 10, "total_steps": 40, "fraction": 0.25, "eta_seconds": 1.5}
    assert running["started_at"] >= running["created_at"]
    assert (await client.get(f"/v1/jobs/{second}")).json()["queue_position"] == 1
    artifact = await player.publish(lease)
    await player.leases.warn(lease, "The prompt was cut.")
    await player.settle(lease)
    done = (await client.get(f"/v1/jobs/{first}")).json()
    assert (done["status"], done["warnings"]) == ("succeeded", ["The prompt was cut."])
    assert done["progress"]["fraction"] == 1.0
    assert done["finished_at"] < done["expires_at"]
    shown = artifact.model_dump(exclude={"storage_key", "replayed"})
    assert done["images"] == [shown | {"url": f"http://test/v1/artifacts/{artifact.id}"}]


async def test_a_failure_is_shown(client: httpx.AsyncClient, player: Player) -> None:
    job_id = await submit(client)
    await player.settle(await player.claim(), "failed", JobFailure(code="worker_died", message="No.", retryable=True))
    job = (await client.get(f"/v1/jobs/{job_id}")).json()
    assert job["status"] == "failed"
    assert job["error"] == {"code": "worker_died", "message": "No.", "retryable": True, "field": None}


async def test_lists_are_newest_first_and_stable_under_inserts(client: httpx.AsyncClient) -> None:
    ids = [await submit(client) for _ in range(5)]
    page = (await client.get("/v1/jobs?limit=2")).json()
    await submit(client)
    rest = (await client.get(f"/v1/jobs?limit=3&cursor={page['next_cursor']}")).json()
    assert [job["id"] for job in page["data"] + rest["data"]] == ids[::-1]
    assert rest["next_cursor"] is None
    assert [job["queue_position"] for job in rest["data"]] == [3, 2, 1]


async def test_lists_can_be_of_one_status(client: httpx.AsyncClient, player: Player) -> None:
    first, second = await submit(client), await submit(client)
    await player.claim()
    for status, ids in {"running": [first], "queued": [second], "failed": []}.items():
        listed = (await client.get(f"/v1/jobs?status={status}")).json()
        assert [job["id"] for job in listed["data"]] == ids


async def test_a_list_is_empty_at_first(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/jobs")).json() == {"data": [], "next_cursor": None}


async def test_a_cancelled_waiting_job_never_starts(client: httpx.AsyncClient, player: Player) -> None:
    job_id = await submit(client)
    cancelled = await client.post(f"/v1/jobs/{job_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert await player.leases.claim("player") is None
    again = await client.post(f"/v1/jobs/{job_id}/cancel")
    assert again.json() == cancelled.json()


async def test_a_running_job_hears_that_it_is_cancelled(client: httpx.AsyncClient, player: Player) -> None:
    job_id = await submit(client)
    lease = await player.claim()
    assert (await client.post(f"/v1/jobs/{job_id}/cancel")).json()["status"] == "running"
    (renewal,) = await player.leases.renew([lease])
    assert renewal.cancel_requested
    await player.settle(lease, "cancelled")
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["status"] == "cancelled"


async def test_an_ended_job_can_be_removed_with_its_files(client: httpx.AsyncClient, player: Player) -> None:
    other = await submit(client)
    await player.finish()
    job_id = await submit(client, num_images=2)
    await player.finish()
    images = (await client.get(f"/v1/jobs/{job_id}")).json()["images"]
    removed = await client.delete(f"/v1/jobs/{job_id}")
    assert (removed.status_code, removed.content) == (204, b"")
    assert_error(await client.get(f"/v1/jobs/{job_id}"), 404, "unknown_job")
    assert_error(await client.delete(f"/v1/jobs/{job_id}"), 404, "unknown_job")
    for image in images:
        assert_error(await client.get(image["url"]), 404, "unknown_artifact")
    assert [key async for page in player.artifacts._keys(f"{job_id}/") for key in page] == []
    kept = (await client.get(f"/v1/jobs/{other}")).json()
    assert (await client.get(kept["images"][0]["url"])).status_code == 200


async def test_a_job_that_has_not_ended_cannot_be_removed(client: httpx.AsyncClient, player: Player) -> None:
    job_id = await submit(client)
    assert_error(await client.delete(f"/v1/jobs/{job_id}"), 409, "job_not_ended")
    await player.publish(await player.claim())
    assert_error(await client.delete(f"/v1/jobs/{job_id}"), 409, "job_not_ended")
    image = (await client.get(f"/v1/jobs/{job_id}")).json()["images"][0]
    assert (await client.get(image["url"])).status_code == 200
