"""Webhooks: asked for with a request, told once each, signed, tried again, and kept in a log."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from standardwebhooks import WebhookVerificationError

from app.settings import AppSettings
from contract.store_connection import StoreConnection
from contract.webhook_secrets import MAX_SECRETS
from tests.app.conftest import BODY, Player, StartApi, assert_error, starting, submit
from tests.conftest import running_store
from tests.receivers import OK, Receiver, answers, hangs, receiving, resets, says_nonsense, talks_without_end
from tests.waiting import wait_until_async

RETRIES = (0.1, 0.2, 0.3)


@pytest.fixture(scope="module")
def store_socket() -> Iterator[Path]:
    """A store of these tests' own: API processes of other tests would carry what is in its outbox."""
    yield from running_store()


@pytest.fixture
def start(
    store_socket: Path, artifacts_folder: Path, tmp_path_factory: pytest.TempPathFactory, settings: AppSettings
) -> Iterator[StartApi]:
    """Starts API processes with these tests' settings, which end with the test."""
    own = {name: str(value) for name, value in settings if name.startswith("webhook_")}
    for start in starting(store_socket, artifacts_folder, tmp_path_factory):
        yield partial(start, **own)


@pytest.fixture
def settings(settings: AppSettings) -> AppSettings:
    quick = {"webhook_timeout_seconds": 0.5, "webhook_retries_seconds": ",".join(map(str, RETRIES))}
    return settings.model_copy(update=quick)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def deliveries(client: httpx.AsyncClient, job_id: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/jobs/{job_id}/deliveries")
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def settled(client: httpx.AsyncClient, job_id: str) -> list[dict[str, Any]]:
    """The deliveries, once none of them is pending any more."""

    async def found() -> list[dict[str, Any]] | None:
        seen = await deliveries(client, job_id)
        return seen if seen and all(delivery["status"] != "pending" for delivery in seen) else None

    return await wait_until_async(found, 10) or []


def outcomes(delivery: dict[str, Any]) -> list[int | str]:
    """What came of each try."""
    return [attempt["status_code"] or attempt["error"] for attempt in delivery["attempts"]]


async def ended(client: httpx.AsyncClient, url: str, **changes: object) -> str:
    """A job whose end is to be told."""
    job_id = await submit(client, webhook={"url": url, **changes})
    await client.post(f"/v1/jobs/{job_id}/cancel")
    return job_id


async def secret(client: httpx.AsyncClient, receiver: Receiver) -> str:
    return str((await client.get("/v1/webhooks/secret", params={"url": receiver.url})).json()["key"])


async def test_the_end_of_a_job_is_told_once_and_signed(
    client: httpx.AsyncClient, player: Player, receiver: Receiver
) -> None:
    job_id = await submit(client, webhook={"url": receiver.url})
    await player.finish()
    (message,) = await receiver.received(1)
    assert message.verified(await secret(client, receiver))
    job = (await client.get(f"/v1/jobs/{job_id}")).json()
    assert message.told == {
        "type": "generation.succeeded",
        "timestamp": job["finished_at"],
        "data": job,
        "image": None,
    }
    (delivery,) = await settled(client, job_id)
    assert (delivery["id"], delivery["event"], delivery["status"]) == (message.id, "succeeded", "succeeded")
    assert outcomes(delivery) == [200]
    assert len(receiver.messages) == 1


async def test_every_event_is_told_as_the_job_was_then(
    client: httpx.AsyncClient, player: Player, receiver: Receiver
) -> None:
    events = ["cancelled", "succeeded", "image", "started", "failed"]
    job_id = await submit(client, num_images=2, webhook={"url": receiver.url, "events": events})
    await player.finish()
    messages = {message.id: message.told for message in await receiver.received(4)}
    told = [messages[delivery["id"]] for delivery in await settled(client, job_id)]
    assert [one["type"].partition(".")[2] for one in told] == ["started", "image", "image", "succeeded"]
    assert [one["data"]["status"] for one in told] == ["running", "running", "running", "succeeded"]
    assert [len(one["data"]["images"]) for one in told] == [0, 1, 2, 2]
    assert [one["image"]["index"] for one in told[1:3]] == [0, 1]
    document = (await client.get("/openapi.json")).json()
    (event,) = document["webhooks"].values()
    schema = event["post"]["requestBody"]["content"]["application/json"]["schema"]
    for one in told:
        Draft202012Validator(schema | {"components": document["components"]}).validate(one)


async def test_the_webhook_is_no_part_of_the_request(
    client: httpx.AsyncClient, player: Player, receiver: Receiver, connection: StoreConnection
) -> None:
    job_id = await submit(client, webhook={"url": receiver.url})
    assert "webhook" not in (await client.get(f"/v1/jobs/{job_id}")).json()["request"]
    assert "webhook" not in await connection.redis.hget(f"safelight:job:{job_id}", "request")


async def test_a_repeated_key_is_held_against_the_webhook(client: httpx.AsyncClient, receiver: Receiver) -> None:
    async def post(**changes: object) -> httpx.Response:
        return await client.post("/v1/generations", json=BODY | changes, headers={"Idempotency-Key": "k"})

    first = await post(webhook={"url": receiver.url})
    same = await post(webhook={"url": receiver.url, "events": ["cancelled", "failed", "succeeded", "failed"]})
    assert same.content == first.content
    assert_error(await post(), 409, "idempotency_conflict", "Idempotency-Key")
    assert_error(await post(webhook={"url": f"{receiver.url}/2"}), 409, "idempotency_conflict", "Idempotency-Key")
    other_events = {"url": receiver.url, "events": ["failed"]}
    assert_error(await post(webhook=other_events), 409, "idempotency_conflict", "Idempotency-Key")


@pytest.mark.parametrize(
    ("webhook", "field"),
    [
        ({}, "webhook.url"),
        ({"url": 1}, "webhook.url"),
        ({"url": "https://a.test", "events": []}, "webhook.events"),
        ({"url": "https://a.test", "events": ["ended"]}, "webhook.events.0"),
        ({"url": "https://a.test", "method": "GET"}, "webhook.method"),
        ({"url": "a.test/hook"}, "webhook.url"),
        ({"url": "http://10.0.0.1/hook"}, "webhook.url"),
        ("https://a.test", "webhook"),
    ],
)
async def test_what_is_wrong_with_a_webhook_is_said(client: httpx.AsyncClient, webhook: object, field: str) -> None:
    assert_error(await client.post("/v1/generations", json=BODY | {"webhook": webhook}), 422, "invalid_request", field)


FAILURES = {
    "500": (answers(500), 500),
    "redirect": (answers(307, "Location: /elsewhere"), 307),
    "hang": (hangs, "timed_out"),
    "reset": (resets, "broken"),
    "nonsense": (says_nonsense, "broken"),
}


@pytest.mark.alone
@pytest.mark.parametrize("name", FAILURES)
async def test_what_fails_is_told_again_under_its_id(client: httpx.AsyncClient, name: str) -> None:
    behaviour, outcome = FAILURES[name]
    async with receiving(behaviour, behaviour, OK) as receiver:
        job_id = await ended(client, receiver.url)
        first, *again = await receiver.received(3)
        assert {(message.id, message.body, message.path) for message in again} == {(first.id, first.body, "/hook")}
        (delivery,) = await settled(client, job_id)
        assert outcomes(delivery) == [outcome, outcome, 200]
        assert delivery["status"] == "succeeded"
        assert len(receiver.messages) == 3


async def test_after_the_last_try_it_has_failed_and_can_be_sent_again(client: httpx.AsyncClient) -> None:
    tries = 1 + len(RETRIES)
    async with receiving(*[answers(503)] * tries, OK) as receiver:
        job_id = await ended(client, receiver.url)
        (delivery,) = await settled(client, job_id)
        assert (delivery["status"], outcomes(delivery), delivery["next_attempt_at"]) == ("failed", [503] * tries, None)
        times = [datetime.fromisoformat(attempt["at"]) for attempt in delivery["attempts"]]
        waits = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
        assert all(wait >= 0.1 for wait in waits), waits
        path = f"/v1/jobs/{job_id}/deliveries/{delivery['id']}/redeliver"
        asked = await client.post(path)
        assert (asked.status_code, asked.json()["status"]) == (202, "pending")
        (delivery,) = await settled(client, job_id)
        assert (delivery["status"], outcomes(delivery)) == ("succeeded", [*[503] * tries, 200])
        assert len({message.id for message in receiver.messages}) == 1
        metrics = (await client.get("/metrics")).text
        assert 'safelight_webhooks_total{status="failed"} 1.0' in metrics
        assert f"safelight_webhook_attempts_total {tries + 1}.0" in metrics


async def test_a_receiver_that_is_gone_is_told_no_more_until_it_is_asked_for(client: httpx.AsyncClient) -> None:
    async with receiving(answers(410), OK) as receiver:
        first, second = await ended(client, receiver.url), ""
        (delivery,) = await settled(client, first)
        assert (delivery["status"], outcomes(delivery)) == ("disabled", [410])
        second = await ended(client, receiver.url)
        (untold,) = await settled(client, second)
        assert (untold["status"], outcomes(untold)) == ("disabled", [])
        await client.post(f"/v1/jobs/{second}/deliveries/{untold['id']}/redeliver")
        assert [one["status"] for one in await settled(client, second)] == ["succeeded"]
        (third,) = await settled(client, await ended(client, receiver.url))
        assert third["status"] == "succeeded", "it has answered, so it is not gone"


@pytest.mark.alone
async def test_of_a_long_answer_only_so_much_is_heard(client: httpx.AsyncClient) -> None:
    async with receiving(talks_without_end) as receiver:
        (delivery,) = await settled(client, await ended(client, receiver.url))
        assert (delivery["status"], outcomes(delivery)) == ("succeeded", [200])
        assert delivery["attempts"][0]["seconds"] < 0.5


@pytest.mark.alone
async def test_a_receiver_that_hangs_stands_in_nobodys_way(client: httpx.AsyncClient, receiver: Receiver) -> None:
    async with receiving(hangs) as hanging:
        for _ in range(30):
            await ended(client, hanging.url)
        await hanging.received(8)
        job_id = await ended(client, receiver.url)
        (delivery,) = await settled(client, job_id)
        took = datetime.fromisoformat(delivery["attempts"][0]["at"]) - datetime.fromisoformat(delivery["occurred_at"])
        assert took.total_seconds() < 0.5, "less than one of the others hangs"


async def test_while_a_secret_is_replaced_both_sign(
    client: httpx.AsyncClient, receiver: Receiver, settings: AppSettings
) -> None:
    query = {"url": receiver.url}
    old = await secret(client, receiver)
    rotated = (await client.post("/v1/webhooks/secret/rotate", params=query)).json()
    assert rotated == (await client.get("/v1/webhooks/secret", params=query)).json()
    assert rotated["key"] != old
    until = datetime.fromisoformat(rotated["previous_key_until"]) - datetime.fromisoformat(rotated["created_at"])
    assert until.total_seconds() == settings.webhook_secret_overlap_seconds
    await ended(client, receiver.url)
    (message,) = await receiver.received(1)
    assert message.verified(old, rotated["key"])
    other = f"whsec_{'A' * 44}"
    with pytest.raises(WebhookVerificationError):
        message.verified(other)


async def test_urls_of_one_origin_share_a_secret(client: httpx.AsyncClient) -> None:
    async def key(url: str) -> str:
        return str((await client.get("/v1/webhooks/secret", params={"url": url})).json()["key"])

    assert await key("https://a.test/1") == await key("https://A.test:443/2?x=y") != await key("https://a.test:444/1")
    refused = await client.get("/v1/webhooks/secret", params={"url": "http://169.254.169.254/latest"})
    assert_error(refused, 422, "invalid_request", "url")


async def test_a_body_that_is_too_large_leaves_the_request_out(client: httpx.AsyncClient, receiver: Receiver) -> None:
    wide = {"prompt": "𓀀" * 2000, "negative_prompt": "𓀀" * 2000, "metadata": dict.fromkeys("abcd", "𓀀" * 512)}
    job_id = await submit(client, **wide, webhook={"url": receiver.url})
    await client.post(f"/v1/jobs/{job_id}/cancel")
    (message,) = await receiver.received(1)
    assert len(message.body) < 20_000
    assert message.told["data"] == (await client.get(f"/v1/jobs/{job_id}")).json() | {"request": None}


async def test_deliveries_of_no_webhook_and_of_no_job(client: httpx.AsyncClient) -> None:
    job_id = await submit(client)
    assert (await client.get(f"/v1/jobs/{job_id}/deliveries")).json() == {"object": "list", "url": None, "data": []}
    assert_error(await client.get("/v1/jobs/job_1/deliveries"), 404, "unknown_job")
    path = f"/v1/jobs/{job_id}/deliveries/whd_1_1/redeliver"
    assert_error(await client.post(path), 404, "unknown_delivery")


async def test_a_process_that_is_killed_while_it_delivers_loses_nothing(start: StartApi) -> None:
    dies = start()
    async with receiving(*[hangs] * 8, OK) as receiver:
        async with dies.client() as client:
            job_ids = [await ended(client, receiver.url) for _ in range(30)]
        await receiver.received(8)
        dies.process.kill()
        async with start().client() as client:
            delivered = [one for job_id in job_ids for one in await settled(client, job_id)]
        assert {one["status"] for one in delivered} == {"succeeded"}
        assert len({message.id for message in receiver.messages}) == len(job_ids)


async def test_processes_share_the_work(start: StartApi) -> None:
    apis = [start(), start()]
    async with receiving() as receiver, apis[0].client() as client:
        job_ids = [await ended(client, receiver.url) for _ in range(30)]
        for job_id in job_ids:
            await settled(client, job_id)
        told = [message.id for message in receiver.messages]
    assert len(told) == len(set(told)) == len(job_ids)
    carried = [api.log.read_text().count("webhook 200") for api in apis]
    assert sum(carried) == len(job_ids)
    assert all(carried)


async def test_a_receiver_too_many_is_refused_with_the_job(
    client: httpx.AsyncClient, connection: StoreConnection, receiver: Receiver
) -> None:
    await secret(client, receiver)
    (kept,) = await connection.redis.keys("safelight:webhook_secrets:*")
    await connection.redis.sadd(kept, *(str(number) for number in range(MAX_SECRETS)))
    other = {"url": "http://127.0.0.1:9/"}
    assert_error(await client.post("/v1/generations", json=BODY | {"webhook": other}), 422, "limit_exceeded", "webhook")
    assert_error(await client.get("/v1/webhooks/secret", params=other), 422, "limit_exceeded", "url")
    assert (await client.get("/v1/jobs")).json()["data"] == []
    await submit(client, webhook={"url": receiver.url})
