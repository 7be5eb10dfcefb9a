"""POST /v1/generations: admission, defaults, idempotency, waiting."""

import asyncio
import json
from datetime import datetime, timedelta

import httpx
import pytest

from app.settings import AppSettings
from contract.job_store import JobStore
from tests.app.conftest import BODY, Api, Player, assert_error, client_of, submit
from tests.waiting import wait_until_async


async def post(client: httpx.AsyncClient, body: object = BODY, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/v1/generations", json=body, headers=names)


async def test_a_prompt_becomes_a_job_with_the_models_defaults_and_a_seed(client: httpx.AsyncClient) -> None:
    response = await post(client)
    job = response.json()
    assert (response.status_code, response.headers["location"]) == (202, f"/v1/jobs/{job['id']}")
    request = job["request"]
    assert isinstance(request.pop("seed"), int)
    assert {field: value for field, value in request.items() if value is not None} == {
        "prompt": "a red apple",
        "negative_prompt": "",
        "prompt_syntax": "plain",
        "model": "safelight-emoji",
        "num_images": 1,
        "adapters": [],
        "control": [],
        "height": 128,
        "width": 128,
        "num_inference_steps": 20,
        "guidance_scale": 2.5,
        "guidance": [{"kind": "classifier_free", "scale": 2.5, "rescale": 0.0, "interval": [0.0, 1.0]}],
        "scheduler": "ddim",
        "output_format": "png",
        "remove": False,
        "metadata": {},
        "intervene": [],
    }
    assert (job["kind"], job["status"], job["attempt"], job["queue_position"]) == ("generation", "queued", 0, 1)
    assert job["progress"] == {"step": 0, "total_steps": 20, "fraction": 0.0, "eta_seconds": None}
    assert (job["images"], job["warnings"], job["error"]) == ([], [], None)
    assert (job["started_at"], job["finished_at"], job["expires_at"]) == (None, None, None)
    assert datetime.fromisoformat(job["created_at"]).utcoffset() == timedelta(0)
    base = f"http://test/v1/jobs/{job['id']}"
    assert job["urls"] == {"self": base, "events": f"{base}/events", "cancel": f"{base}/cancel"}


async def test_the_quality_of_files_is_completed(client: httpx.AsyncClient) -> None:
    async def completed(**changes: object) -> object:
        return (await post(client, BODY | changes)).json()["request"]["output_quality"]

    assert await completed() is None
    assert await completed(output_format="jpeg") == 92
    assert await completed(output_format="webp", output_quality=0) == 0


async def test_what_is_returned_can_be_posted_again(client: httpx.AsyncClient) -> None:
    first = (await post(client, BODY | {"num_images": 2, "metadata": {"order": "42"}})).json()
    again = await post(client, first["request"])
    assert again.status_code == 202
    assert again.json()["request"] == first["request"]


async def test_seeds_are_drawn_anew_each_time(client: httpx.AsyncClient) -> None:
    seeds = {(await post(client)).json()["request"]["seed"] for _ in range(5)}
    assert len(seeds) == 5


async def test_the_same_key_and_body_give_the_same_answer_whatever_became_of_the_job(
    client: httpx.AsyncClient, player: Player
) -> None:
    await post(client)
    first = await post(client, Idempotency_Key="k")
    await player.finish()
    lease = await player.finish()
    assert lease.job_id == first.json()["id"]
    again = await post(client, Idempotency_Key="k")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]


async def test_a_replay_that_waits_gets_the_finished_job(client: httpx.AsyncClient, player: Player) -> None:
    await post(client, Idempotency_Key="k")
    await player.finish()
    for seconds in ("0", "9"):
        again = await post(client, Idempotency_Key="k", Prefer=f"wait={seconds}")
        assert (again.status_code, again.json()["status"]) == (200, "succeeded")


async def test_the_same_key_with_another_body_is_a_conflict(client: httpx.AsyncClient) -> None:
    await post(client, Idempotency_Key="k")
    assert_error(
        await post(client, {"prompt": "a fox"}, Idempotency_Key="k"), 409, "idempotency_conflict", "Idempotency-Key"
    )
    assert (await post(client, BODY | {"negative_prompt": ""}, Idempotency_Key="k")).status_code == 202


async def test_a_race_for_one_key_makes_one_job(client: httpx.AsyncClient, job_store: JobStore) -> None:
    responses = await asyncio.gather(*(post(client, Idempotency_Key="k") for _ in range(20)))
    assert {response.status_code for response in responses} == {202}
    assert len({response.content for response in responses}) == 1
    assert (await job_store.counts())["queued"] == 1


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_keys_have_a_length(client: httpx.AsyncClient, key: str) -> None:
    assert_error(await post(client, Idempotency_Key=key), 422, "invalid_request", "Idempotency-Key")


async def test_waiting_gets_the_finished_job(client: httpx.AsyncClient, player: Player) -> None:
    waiting = asyncio.ensure_future(post(client, BODY | {"num_images": 2, "seed": 41}, Prefer="respond-async, wait=20"))

    async def waits() -> bool:
        return (await player.job_store.counts())["queued"] == 1

    await wait_until_async(waits, 5)
    await player.finish()
    response = await waiting
    job = response.json()
    assert (response.status_code, response.headers["preference-applied"]) == (200, "wait=20")
    assert (job["status"], job["queue_position"]) == ("succeeded", None)
    assert [(image["index"], image["seed"]) for image in job["images"]] == [(0, 41), (1, 42)]
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"


@pytest.mark.parametrize("preference", ["wait=0", "wait=1", 'WAIT = "1"; x=y', 'foo="a,wait=9", wait=1'])
async def test_a_wait_in_vain_is_answered_as_usual(client: httpx.AsyncClient, preference: str) -> None:
    response = await post(client, Prefer=preference)
    assert (response.status_code, response.json()["status"]) == (202, "queued")
    assert response.headers["preference-applied"] in ("wait=0", "wait=1")


@pytest.mark.parametrize("preference", ["respond-async", "return=minimal", "waiting=5", 'x="wait=5"', ""])
async def test_other_preferences_are_passed_over(client: httpx.AsyncClient, preference: str) -> None:
    response = await post(client, Prefer=preference)
    assert response.status_code == 202
    assert "preference-applied" not in response.headers


@pytest.mark.parametrize("value", ["wait", "wait=", "wait=-1", "wait=61", "wait=1.5", "wait=abc", "wait=" + "9" * 50])
async def test_a_wait_must_be_right(client: httpx.AsyncClient, job_store: JobStore, value: str) -> None:
    assert_error(await post(client, Prefer=value), 422, "invalid_request", "Prefer")
    assert (await job_store.counts())["queued"] == 0


async def test_a_client_that_goes_away_stops_the_wait_and_not_the_job(
    api: Api, job_store: JobStore, player: Player
) -> None:
    async with api.client() as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/v1/generations", json=BODY, headers={"Prefer": "wait=60"}, timeout=1)
    await wait_until_async(lambda: nobody_blocks(player), 5)
    assert (await job_store.counts())["queued"] == 1
    await player.finish()


async def nobody_blocks(player: Player) -> bool:
    """Whether no client of the store is in a blocking read."""
    clients = await player.leases._redis.info("clients")
    return bool(clients["blocked_clients"] == 0)


async def test_a_full_queue_refuses_and_says_when_to_come_back(settings: AppSettings) -> None:
    async with client_of(settings.model_copy(update={"max_queued_jobs": 2})) as client:
        await submit(client)
        first = await post(client, Idempotency_Key="k")
        refused = await post(client)
        assert_error(refused, 429, "queue_full")
        assert int(refused.headers["retry-after"]) > 0
        assert (await post(client, Idempotency_Key="k")).content == first.content


async def test_urls_are_those_of_the_client(settings: AppSettings) -> None:
    async with client_of(settings, root_path="/images") as client:
        headers = {"Host": "pictures.example:8443"}
        response = await client.post("/images/v1/generations", json=BODY, headers=headers)
        job_id = response.json()["id"]
        assert response.headers["location"] == f"/images/v1/jobs/{job_id}"
        assert response.json()["urls"]["self"] == f"http://pictures.example:8443/images/v1/jobs/{job_id}"
        assert (await client.get(f"/images/v1/jobs/{job_id}")).status_code == 200


@pytest.mark.parametrize("host", ["[", "a b", "x:y:z", "ü", "h:99999", "'\"<>"])
async def test_odd_hosts_do_no_harm(client: httpx.AsyncClient, host: str) -> None:
    response = await client.post("/v1/generations", json=BODY, headers={"Host": host.encode()})
    assert response.status_code == 202
    assert json.dumps(response.json()["urls"]).count("http://test") == 3
