"""Webhooks: asked for with a request, told once each, signed, tried again, and kept in a log."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.settings import AppSettings
from tests.app.conftest import CATALOGUE, Player, submit
from tests.receivers import Receiver, receiving
from tests.waiting import wait_until_async

RETRIES = (0.1, 0.2, 0.3)


@pytest.fixture
def settings(store_url: str, artifacts_folder: Path) -> AppSettings:
    return AppSettings(
        redis_url=store_url,
        artifacts_url=artifacts_folder.as_uri(),
        catalogue=CATALOGUE,
        webhook_networks="127.0.0.0/8",
        webhook_timeout_seconds=0.5,
        webhook_retries_seconds=",".join(map(str, RETRIES)),
    )


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
    }
    (delivery,) = await settled(client, job_id)
    assert (delivery["id"], delivery["event"], delivery["status"]) == (message.id, "succeeded", "succeeded")
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [200]
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
