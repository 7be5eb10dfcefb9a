"""GET /v1/jobs/{id}/events, at real API processes: order, resumption, previews, disconnects, shutdown."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx
import pytest

from app.waiting import wishing_previews
from contract.job_events import JobEvent
from contract.job_store import JobStore
from contract.store_connection import StoreConnection
from tests.app.conftest import BODY, Api, Player, StartApi, assert_error, stream, submit
from tests.waiting import wait_until_async


@pytest.fixture(scope="session")
def other_api(start: StartApi) -> Api:
    return start()


@pytest.fixture
async def job_id(api: Api) -> str:
    async with api.client() as client:
        return await submit(client, num_images=2)


async def play(player: Player) -> None:
    """A whole job, with every kind of event."""
    lease = await player.claim()
    for step in range(1, 6):
        await player.report(lease, step, ("progress", {"step": step}), ("preview", {"data": "anBlZw=="}))
    for index in range(2):
        await player.publish(lease, index)
    await player.settle(lease)


async def test_a_job_is_followed_from_its_first_event_to_its_last(api: Api, job_id: str, player: Player) -> None:
    async with stream(api, job_id) as events:
        assert events.response.headers["content-type"].startswith("text/event-stream")
        assert events.response.headers["cache-control"] == "no-cache"
        seen = await events.read_until("queued")
        await play(player)
        seen += await events.rest()
    names = [event["event"] for event in seen]
    assert names == ["queued", "started", *["progress"] * 5, "image", "image", "succeeded"]
    assert json.loads(seen[2]["data"]) == {"step": 1}
    ids = [tuple(int(part) for part in event["id"].split("-")) for event in seen]
    assert ids == sorted(set(ids))
    async with api.client() as client:
        job = (await client.get(f"/v1/jobs/{job_id}")).json()
    assert json.loads(seen[-1]["data"]) == job
    assert [json.loads(event["data"]) for event in seen if event["event"] == "image"] == job["images"]
    assert "storage_key" not in json.dumps(seen)


async def test_a_stream_can_be_resumed_anywhere_without_gap_or_repeat_on_another_process(
    api: Api, other_api: Api, job_id: str, player: Player
) -> None:
    await play(player)
    async with stream(api, job_id) as events:
        whole = await events.rest()
    for at, event in enumerate(whole):
        async with stream(other_api, job_id, **{"Last-Event-ID": event["id"]}) as events:
            rest = await events.rest()
        # Each process says the addresses at which its client reached it.
        assert [event | {"data": event["data"].replace(other_api.url, api.url)} for event in rest] == whole[at + 1 :]


async def test_a_running_stream_moves_to_another_process(api: Api, other_api: Api, job_id: str, player: Player) -> None:
    lease = await player.claim()
    async with stream(api, job_id) as events:
        seen = await events.read_until("started")
    await player.report(lease, 1, ("progress", {"step": 1}))
    async with stream(other_api, job_id, **{"Last-Event-ID": seen[-1]["id"]}) as events:
        seen += await events.read_until("progress")
        await player.settle(lease, "cancelled")
        seen += await events.rest()
    assert [event["event"] for event in seen] == ["queued", "started", "progress", "cancelled"]


async def test_previews_are_wished_for_and_sent_only_to_those_who_asked(
    api: Api, job_id: str, player: Player, job_store: JobStore
) -> None:
    lease = await player.claim()
    async with stream(api, job_id) as events:
        await events.read_until("started")
        assert not (await player.leases.renew([lease]))[0].previews_wanted
    async with stream(api, job_id, "?previews=true") as events:
        await events.read_until("started")
        assert (await player.leases.renew([lease]))[0].previews_wanted
        await player.report(lease, 1, ("preview", {"data": "anBlZw=="}))
        seen = await events.read_until("preview")
        assert json.loads(seen[-1]["data"]) == {"data": "anBlZw=="}
        await player.settle(lease)


async def test_the_wish_for_previews_is_renewed(connection: StoreConnection, job_store: JobStore) -> None:
    async def silence() -> AsyncGenerator[JobEvent | None]:
        while True:
            yield None

    async with aclosing(wishing_previews(job_store, "job_1", silence(), interval_seconds=0)) as events:
        for _ in range(3):
            await anext(events)
            assert await connection.redis.getdel("safelight:previews:job_1") == "1"


async def test_the_stream_of_an_ended_job_ends(api: Api, job_id: str) -> None:
    async with api.client() as client:
        await client.post(f"/v1/jobs/{job_id}/cancel")
    async with stream(api, job_id) as events:
        seen = await events.rest()
    assert [event["event"] for event in seen] == ["queued", "cancelled"]
    async with stream(api, job_id, **{"Last-Event-ID": seen[-1]["id"]}) as events:
        assert await events.rest() == []


@pytest.mark.parametrize("last_event_id", ["x", "1", "1-", "-1", "1-1-1", "9" * 20 + "-0", "0-" + "9" * 21, "$", "+"])
async def test_an_id_that_no_event_has_the_form_of(client: httpx.AsyncClient, last_event_id: str) -> None:
    path = f"/v1/jobs/{await submit(client)}/events"
    response = await client.get(path, headers={"Last-Event-ID": last_event_id})
    assert_error(response, 422, "invalid_request", "Last-Event-ID")


async def test_previews_is_yes_or_no(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/v1/jobs/{await submit(client)}/events?previews=perhaps")
    assert_error(response, 422, "invalid_request", "previews")


async def num_clients(player: Player) -> int:
    """How many connections to the store are in use in some blocking read."""
    return int((await player.leases._redis.info("clients"))["blocked_clients"])


async def test_clients_that_go_away_leave_nothing_behind(api: Api, job_id: str, player: Player) -> None:
    async def blocked(expected: int) -> bool:
        return await num_clients(player) == expected

    before = len(api.log.read_text())
    for _ in range(3):
        async with stream(api, job_id) as first, stream(api, job_id, "?previews=1") as second:
            await first.read_until("queued")
            await second.read_until("queued")
            await wait_until_async(lambda: blocked(2), 5)
        await wait_until_async(lambda: blocked(0), 5)
    said = api.log.read_text()[before:]
    assert "Traceback" not in said
    assert "ERROR" not in said


async def test_many_clients_may_follow_at_once(api: Api, job_id: str, player: Player) -> None:
    async def blocked() -> bool:
        return await num_clients(player) == 150

    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=api.url, limits=limits, timeout=30) as client:
        requests = [client.build_request("GET", f"/v1/jobs/{job_id}/events") for _ in range(150)]
        responses = [await client.send(request, stream=True) for request in requests]
        await wait_until_async(blocked, 20)
        assert {response.status_code for response in responses} == {200}
        await player.job_store.cancel(job_id)
        bodies = [(await response.aread()).decode() for response in responses]
    assert all("event: cancelled" in body for body in bodies)


async def test_a_removed_jobs_stream_ends(api: Api, job_id: str, player: Player) -> None:
    async with stream(api, job_id) as events:
        await events.read_until("queued")
        await player.job_store.cancel(job_id)
        await player.job_store.delete(job_id)
        assert [event["event"] for event in await events.rest()] in ([], ["cancelled"])


async def test_a_process_that_is_told_to_stop_ends_its_streams_and_waits_at_once(
    start: StartApi, store_url: str, player: Player
) -> None:
    api = start()

    async def both_wait() -> bool:
        return await num_clients(player) == 2

    async with api.client() as client:
        job_id = await submit(client)
        waiting = asyncio.ensure_future(client.post("/v1/generations", json=BODY, headers={"Prefer": "wait=60"}))
        async with stream(api, job_id) as events:
            await events.read_until("queued")
            await wait_until_async(both_wait, 5)
            api.process.terminate()
            assert await events.rest() == []
        assert (await waiting).status_code == 202
    api.process.wait(3)
    log = api.log.read_text()
    assert "Traceback" not in log
    assert "timeout graceful shutdown exceeded" not in log
