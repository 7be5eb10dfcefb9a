"""What clients write is in their jobs, pictures and webhooks, and nowhere else; and it goes when it is due."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL.PngImagePlugin import PngInfo

from tests.pictures import encoded, gradient
from tests.receivers import Receiver, answers, receiving
from tests.system.installation import Installation, device_process, kill
from tests.system.launched import Launched, launch
from tests.tiny_catalogue import CATALOGUE
from tests.tiny_models import build_stable_diffusion
from tests.waiting import wait_until_async

CANARY = "canarybird"
"""A word that stands in everything that a client may write."""

BROKEN = CATALOGUE.partition("[[models]]")[2].replace('"tiny"', '"broken"')
"""A model whose files are not there."""

WRITTEN = {
    "prompt": f"a {CANARY} in a cage",
    "negative_prompt": f"a dead {CANARY}",
    "metadata": {CANARY: CANARY},
    "seed": 7,
}

RECORDS = ("safelight:job:", "safelight:told:")
"""Keys of jobs as they are, and as they were when something happened that is told."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """The whole service, which says everything that it can say; its webhooks reach loopback, and give up soon."""
    folder = tmp_path_factory.mktemp("catalogue")
    build_stable_diffusion(folder / "tiny")
    catalogue = folder / "models.toml"
    catalogue.write_text(f"{CATALOGUE}\n[[models]]{BROKEN}")
    yield from launch(
        catalogue,
        SAFELIGHT_LOG_FORMAT="json",
        SAFELIGHT_LOG_LEVEL="debug",
        SAFELIGHT_WORKER_LOG_LEVEL="DEBUG",
        SAFELIGHT_WEBHOOK_NETWORKS="127.0.0.0/8",
        SAFELIGHT_WEBHOOK_RETRIES_SECONDS="0.1",
        SAFELIGHT_WEBHOOK_TIMEOUT_SECONDS="2",
    )


@pytest.fixture
async def client(service: Launched) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.address, timeout=60) as client:
        yield client


async def everything(installation: Installation) -> dict[str, str]:
    """All that the store keeps, by the name of its key."""
    redis = installation.connection.redis
    reads: dict[str, Any] = {
        "hash": redis.hgetall,
        "string": redis.get,
        "set": redis.smembers,
        "list": lambda key: redis.lrange(key, 0, -1),
        "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        "stream": redis.xrange,
    }
    raw = {key: await reads[await redis.type(key)](key) for key in await redis.keys() if not key.startswith("rq:")}
    return {key: str(value) for key, value in raw.items()}


async def rq_everything(installation: Installation) -> str:
    """All that RQ's tools see, whose bytes are not all text."""
    from redis.asyncio import Redis

    async with Redis.from_url(f"unix://{installation.socket}") as redis:
        names = await redis.keys("rq:*")
        hashes = [await redis.hgetall(name) for name in names if await redis.type(name) == b"hash"]
    return str([names, hashes])


async def submit(client: httpx.AsyncClient, receiver: Receiver, **changes: object) -> str:
    asked = {**WRITTEN, "webhook": {"url": receiver.url}, **changes}
    headers = {"Idempotency-Key": f"{CANARY}{changes}", "X-Request-Id": "request-of-these"}
    answer = await client.post("/v1/generations", json=asked, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def until(client: httpx.AsyncClient, job_id: str, status: str) -> None:
    async def so() -> bool:
        return bool((await client.get(f"/v1/jobs/{job_id}")).json()["status"] == status)

    await wait_until_async(so, 60)


async def delivered(client: httpx.AsyncClient, job_id: str, status: str) -> None:
    async def so() -> bool:
        found = (await client.get(f"/v1/jobs/{job_id}/deliveries")).json()["data"]
        return [one["status"] for one in found] == [status]

    await wait_until_async(so, 30)


async def upload(client: httpx.AsyncClient) -> str:
    """A picture whose name and whose own words are the client's."""
    words = PngInfo()
    words.add_text("Comment", CANARY)
    picture = encoded(gradient(64, 64), pnginfo=words)
    assert CANARY.encode() in picture
    answer = await client.post("/v1/files", files={"file": (f"{CANARY}.png", picture)})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.timeout(240)
async def test_what_clients_write_is_in_jobs_pictures_and_webhooks_alone(
    service: Launched, client: httpx.AsyncClient
) -> None:
    async with receiving() as takes, receiving(answers(500)) as refuses:
        good = await submit(client, takes, image=await upload(client))
        broken = await submit(client, takes, model="broken")
        untold = await submit(client, refuses, num_images=2)
        refusals = [
            await client.post("/v1/generations", json=WRITTEN | {"seed": CANARY}),
            await client.post("/v1/generations", json=WRITTEN | {CANARY: 1}),
            await client.post("/v1/generations", json=WRITTEN | {"prompt": CANARY * 500}),
            await client.post("/v1/generations", content=f'{{"prompt": "{CANARY}'),
            await client.post("/v1/generations", json=WRITTEN | {"webhook": {"url": f"http://10.0.0.1/{CANARY}"}}),
            await client.post("/v1/files", files={"file": (f"{CANARY}.png", CANARY.encode())}),
            await client.get("/v1/jobs", params={"status": CANARY}),
        ]
        assert all(400 <= refusal.status_code < 500 for refusal in refusals)
        await until(client, good, "succeeded")
        await until(client, broken, "failed")
        await until(client, untold, "succeeded")
        await delivered(client, untold, "failed")
        killed = await submit(client, takes, num_inference_steps=3000)
        await until(client, killed, "running")
        kill(device_process(service.child_named("worker")))
        await client.post(f"/v1/jobs/{killed}/cancel")
        await until(client, killed, "cancelled")
        bodies = [message.body.decode() for message in await takes.received(3)]
        assert all(CANARY in body for body in bodies)

    (image, *_) = (await client.get(f"/v1/jobs/{good}")).json()["images"]
    assert CANARY.encode() in (await client.get(image["url"])).content
    log, rq = service.log(), await rq_everything(service.installation)
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert len(lines) > 100
    said_by = {line["logger"] for line in lines if line.get("request_id") == "request-of-these"}
    assert {"safelight.access", "safelight.app", "worker.execution"} <= said_by, "the call is found in every process"
    assert {line.get("job_id") for line in lines} >= {good, broken, untold, killed}
    assert all(job_id in log and job_id in rq for job_id in (good, broken, untold, killed))
    for text in (log, rq, (await client.get("/metrics")).text):
        assert CANARY not in text
    kept = await everything(service.installation)
    assert not [key for key in kept if CANARY in key]
    places = {key for key, value in kept.items() if CANARY in value}
    assert len(places) >= 4
    assert all(place.startswith(RECORDS) for place in places), places
    for job_id in (good, broken, untold, killed):
        assert (await client.delete(f"/v1/jobs/{job_id}")).status_code == 204
    assert CANARY not in str(await everything(service.installation)), "it goes with the jobs"
    assert written_in(service.installation.home / "artifacts") == []
    await service.installation.disconnect()


def written_in(folder: Path) -> list[Path]:
    """The files that have what the client wrote."""
    return [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


async def gone(service: Launched, client: httpx.AsyncClient, job_id: str) -> None:
    """Waits until nothing is left of a job: no record, no picture."""

    async def so() -> bool:
        return (await client.get(f"/v1/jobs/{job_id}")).status_code == 404

    await wait_until_async(so, 60)
    left = (service.installation.home / "artifacts" / job_id).rglob("*")
    assert [path for path in left if path.is_file()] == []


async def test_jobs_go_when_they_are_due(service: Launched, client: httpx.AsyncClient) -> None:
    async with receiving() as receiver:
        told = {"webhook": {"url": receiver.url}}
        soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
        endless = await client.post(
            "/v1/generations", json=WRITTEN | told | {"num_inference_steps": 9000, "expires_at": soon}
        )
        brief = await client.post(
            "/v1/generations", json=WRITTEN | told | {"retention_seconds": 1}, headers={"Prefer": "wait=30"}
        )
        assert brief.json()["status"] == "succeeded"
        picture = brief.json()["images"][0]["url"]
        assert (await client.get(picture)).status_code == 200
        await gone(service, client, brief.json()["id"])
        assert (await client.get(picture)).status_code == 404
        await gone(service, client, endless.json()["id"])
        await receiver.received(2)
    assert sorted(receiver.types) == ["cancelled", "succeeded"]
