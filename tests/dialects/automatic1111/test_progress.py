"""Whose progress is told, and whose request is ended, when many run."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from contract.leases import Lease
from tests.app.conftest import Player, submit
from tests.dialects.automatic1111.conftest import BODIES, IMG2IMG, PATHS, TXT2IMG, assert_refused, play
from tests.pictures import encoded, gradient
from tests.waiting import wait_until_async

PROGRESS, INTERRUPT, SKIP = "GET /sdapi/v1/progress", "POST /sdapi/v1/interrupt", "POST /sdapi/v1/skip"
IDLE = {
    "progress": 0.0,
    "eta_relative": 0.0,
    "state": {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": "",
        "job_count": 0,
        "job_timestamp": "0",
        "job_no": 0,
        "sampling_step": 0,
        "sampling_steps": 0,
    },
    "current_image": None,
    "textinfo": None,
    "current_task": None,
}

Sent = asyncio.Task[httpx.Response]
Send = Callable[..., Any]


@pytest.fixture
async def send(client: httpx.AsyncClient, player: Player) -> AsyncIterator[Send]:
    """Sends a request, and returns when it waits as a job; whatever is left of it at the end is ended."""
    sent: list[Sent] = []

    async def send(kind: str = "txt2img", **fields: object) -> Sent:
        waiting = (await player.job_store.counts())["queued"]
        sent.append(asyncio.create_task(client.post(f"/sdapi/v1/{kind}", json=BODIES[kind] | fields)))
        await wait_until_async(lambda: _more_than(player, waiting), 10)
        return sent[-1]

    yield send
    for task in sent:
        task.cancel()
    await asyncio.gather(*sent, return_exceptions=True)


async def _more_than(player: Player, waiting: int) -> bool:
    return (await player.job_store.counts())["queued"] > waiting


async def progress(client: httpx.AsyncClient, **query: object) -> dict[str, Any]:
    response = await client.get("/sdapi/v1/progress", params=query)
    assert response.status_code == 200, response.text
    told: dict[str, Any] = response.json()
    return told


async def test_nothing_runs(client: httpx.AsyncClient) -> None:
    assert await progress(client) == IDLE
    assert (await client.post("/sdapi/v1/interrupt")).json() == {}
    assert (await client.post("/sdapi/v1/skip")).json() is None


@pytest.mark.compat(PROGRESS, "skip_current_image", "exact", "Without it, the latest estimate, a JPEG.")
async def test_what_runs_is_told_step_by_step(client: httpx.AsyncClient, player: Player, send: Send) -> None:
    await send(n_iter=2, steps=10)
    told = await progress(client)
    assert (told["progress"], told["textinfo"], told["state"]["job_count"]) == (0.0, "queued", 1)
    lease = await player.claim()
    await player.report(lease, 5, ("preview", {"index": 0, "step": 5, "data": "cGljdHVyZQ=="}))
    told = await progress(client)
    assert (told["progress"], told["eta_relative"], told["textinfo"]) == (0.25, 1.5, "running")
    assert (told["current_image"], told["current_task"]) == ("cGljdHVyZQ==", lease.job_id)
    assert (told["state"]["sampling_step"], told["state"]["sampling_steps"]) == (5, 20)
    assert (await progress(client, skip_current_image=True))["current_image"] is None


@pytest.mark.compat(PROGRESS, "id_task", "exact", "An extension: the request of this name, whatever else runs.")
@pytest.mark.compat(TXT2IMG, "force_task_id", "exact", "Names the request; the latest of a name counts.")
@pytest.mark.compat(IMG2IMG, "force_task_id", "exact", "Names the request; the latest of a name counts.")
async def test_a_request_is_told_of_by_its_name(client: httpx.AsyncClient, player: Player, send: Send) -> None:
    named = await send("img2img", force_task_id="task(a)", steps=10)
    lease = await player.claim()
    await send(force_task_id="task(b)")
    await player.claim()
    await player.report(lease, 3)
    assert (await progress(client))["state"]["job"] == "txt2img"
    told = await progress(client, id_task="task(a)")
    assert (told["progress"], told["state"]["job"]) == (pytest.approx(3 / 7, abs=1e-3), "img2img")
    assert told == await progress(client, id_task=lease.job_id)
    await player.publish(lease, 0, encoded(gradient()))
    await player.settle(lease)
    assert (await named).status_code == 200
    told = await progress(client, id_task="task(a)")
    assert (told["progress"], told["textinfo"], told["state"]["job_count"]) == (1.0, "succeeded", 0)
    await send(force_task_id="task(a)")
    assert (await progress(client, id_task="task(a)"))["textinfo"] == "queued"
    assert_refused(await client.get("/sdapi/v1/progress?id_task=task(c)"), 404, "unknown_job", "id_task")


async def test_of_jobs_that_came_otherwise_only_the_named_are_told(
    client: httpx.AsyncClient, player: Player, send: Send
) -> None:
    native = await submit(client)
    await player.claim()
    assert await progress(client) == IDLE
    assert (await progress(client, id_task=native))["textinfo"] == "running"
    await client.post("/sdapi/v1/interrupt")
    assert not (await player.job_store.get(native)).cancel_requested


async def test_the_newest_that_runs_is_meant(client: httpx.AsyncClient, player: Player, send: Send) -> None:
    leases = []
    for _ in range(3):
        await send()
        leases.append(await player.claim())
    await send()
    assert (await progress(client))["current_task"] == leases[2].job_id
    await player.settle(leases[2], "cancelled")
    assert (await progress(client))["current_task"] == leases[1].job_id


@pytest.mark.compat(INTERRUPT, "id_task", "exact", "An extension: ends the request of this name and no other.")
@pytest.mark.compat(SKIP, "id_task", "exact", "An extension: ends the request of this name and no other.")
@pytest.mark.parametrize(("path", "flag"), [("interrupt", "interrupted"), ("skip", "skipped")])
async def test_the_named_request_is_ended(
    *, client: httpx.AsyncClient, player: Player, send: Send, path: str, flag: str
) -> None:
    ended = await send(force_task_id="task(a)")
    first = await player.claim()
    await send(force_task_id="task(b)")
    second = await player.claim()
    response = await client.post(f"/sdapi/v1/{path}?id_task=task(a)")
    assert (response.status_code, response.json()) == (200, {} if path == "interrupt" else None)
    assert (await player.job_store.get(first.job_id)).cancel_requested
    assert not (await player.job_store.get(second.job_id)).cancel_requested
    assert (await progress(client, id_task="task(a)"))["state"]["stopping_generation"]
    await player.settle(first, "cancelled")
    assert_refused(await ended, 409, "job_cancelled")
    state = (await progress(client, id_task="task(a)"))["state"]
    assert (state[flag], state["stopping_generation"]) == (True, False)
    assert_refused(await client.post(f"/sdapi/v1/{path}?id_task=task(c)"), 404, "unknown_job", "id_task")


async def test_what_waits_is_ended_at_once(client: httpx.AsyncClient, player: Player, send: Send) -> None:
    sent = await send()
    await client.post("/sdapi/v1/interrupt")
    assert_refused(await sent, 409, "job_cancelled")
    assert await progress(client) == IDLE


async def test_pictures_that_were_finished_are_answered(client: httpx.AsyncClient, player: Player, send: Send) -> None:
    sent = await send(n_iter=3, seed=7)
    lease = await player.claim()
    await player.publish(lease, 0, encoded(gradient()))
    await client.post("/sdapi/v1/interrupt")
    await player.settle(lease, "cancelled")
    response = await sent
    assert response.status_code == 200
    assert len(response.json()["images"]) == 1
    assert json.loads(response.json()["info"])["all_seeds"] == [7]


# ---- with a second pass


async def test_both_passes_are_one_task(client: httpx.AsyncClient, player: Player, send: Send) -> None:
    sent = await send(enable_hr=True, n_iter=2, steps=10, force_task_id="task(a)")
    lease = await player.claim()
    await player.report(lease, 10)
    told = await progress(client)
    assert (told["progress"], told["state"]["job_count"], told["state"]["job_no"]) == (
        pytest.approx(1 / 6, abs=1e-3),
        3,
        0,
    )
    for index in range(2):
        await player.publish(lease, index, encoded(gradient(128, 128)))
    await player.settle(lease)
    await wait_until_async(lambda: _more_than(player, 1), 10)
    second = await player.claim()
    await player.report(second, 5)
    told = await progress(client)
    assert (told["current_task"], told["progress"]) == (lease.job_id, 0.5)
    assert told == await progress(client, id_task="task(a)")
    await finish(player, second)
    await play(player)
    assert len((await sent).json()["images"]) == 2
    assert (await progress(client, id_task="task(a)"))["progress"] == 1.0


async def test_an_interrupt_ends_both_passes(client: httpx.AsyncClient, player: Player, send: Send) -> None:
    sent = await send(enable_hr=True, n_iter=2)
    lease = await player.claim()
    for index in range(2):
        await player.publish(lease, index, encoded(gradient(128, 128)))
    await client.post("/sdapi/v1/interrupt")
    await player.settle(lease)
    assert_refused(await sent, 409, "job_cancelled")
    assert (await player.job_store.counts())["queued"] == 0

    sent = await send(enable_hr=True, n_iter=2)
    await play(player)
    await wait_until_async(lambda: _more_than(player, 1), 10)
    second = await player.claim()
    await client.post("/sdapi/v1/interrupt")
    assert (await player.job_store.counts())["queued"] == 0
    await player.settle(second, "cancelled")
    assert_refused(await sent, 409, "job_cancelled")
    assert await progress(client) == IDLE


async def test_a_first_pass_that_fails_ends_its_task(client: httpx.AsyncClient, player: Player, send: Send) -> None:
    sent = await send(enable_hr=True, force_task_id="task(a)")
    await player.settle(await player.claim(), "cancelled")
    assert_refused(await sent, 409, "job_cancelled")
    told = await progress(client, id_task="task(a)")
    assert (told["state"]["job_count"], told["textinfo"]) == (0, "cancelled")


async def finish(player: Player, lease: Lease) -> None:
    await player.publish(lease, 0, encoded(gradient(256, 256)))
    await player.settle(lease)


@pytest.mark.parametrize("kind", PATHS)
async def test_a_client_that_leaves_does_not_end_its_job(player: Player, send: Send, kind: str) -> None:
    sent = await send(kind)
    sent.cancel()
    await asyncio.gather(sent, return_exceptions=True)
    assert (await play(player)).status == "succeeded"
