"""The whole service as it is operated: its pictures in an S3-compatible store, its spans with a collector."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from contract.artifact_store import PROBE_KEY
from tests import s3_stores
from tests.collector import Collected, Collector, collecting
from tests.pictures import encoded, gradient
from tests.receivers import receiving
from tests.s3_stores import BUCKET, S3Process
from tests.system.launched import Launched, launch
from tests.waiting import wait_until_async

ASKED = {"prompt": "a red apple", "seed": 7}


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps what it is given."""
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="module")
def server(bucket: Path) -> Iterator[S3Process]:
    yield from s3_stores.rclone(bucket)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def service(server: S3Process, collector: Collector, tiny_catalogue: Path) -> Iterator[Launched]:
    yield from launch(
        tiny_catalogue,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="100",
        SAFELIGHT_WEBHOOK_NETWORKS="127.0.0.0/8",
        SAFELIGHT_ARTIFACTS_URL=server.location,
        SAFELIGHT_PRESIGNED_SECONDS="60",
        **server.environment,
    )


@pytest.fixture
async def client(service: Launched) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.address, timeout=60) as client:
        yield client


def objects(bucket: Path) -> list[Path]:
    """What the store has, but for what a worker writes again and again to see whether it takes anything."""
    return [path for path in (bucket / BUCKET).rglob("*") if path.is_file() and path.name != PROBE_KEY]


async def made(client: httpx.AsyncClient, **changes: object) -> dict[str, object]:
    answer = await client.post("/v1/generations", json=ASKED | changes, headers={"Prefer": "wait=60"})
    assert answer.json()["status"] == "succeeded", answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_a_job_from_its_call_to_its_picture(client: httpx.AsyncClient, bucket: Path) -> None:
    sent = await client.post("/v1/files", files={"file": ("in.png", encoded(gradient(64, 64)))})
    job = await made(client, image=sent.json()["id"], strength=0.5)
    (image,) = job["images"]  # type: ignore[misc]
    headers = {"ETag": f'"{image["sha256"]}"'}
    head = await client.head(image["url"])
    assert (head.status_code, head.headers["etag"]) == (200, headers["ETag"])
    unchanged = await client.get(image["url"], headers={"If-None-Match": headers["ETag"]})
    assert unchanged.status_code == 304
    moved = await client.get(image["url"])
    assert (moved.status_code, moved.headers["cache-control"], moved.content) == (307, "no-store", b"")
    assert parse_qs(urlsplit(moved.headers["location"]).query)["X-Amz-Expires"] == ["60"]
    whole = await client.get(image["url"], follow_redirects=True)
    assert hashlib.sha256(whole.content).hexdigest() == image["sha256"]
    assert whole.headers["content-type"] == "image/png"
    part = await client.get(image["url"], headers={"Range": "bytes=1-3"}, follow_redirects=True)
    assert part.content == b"PNG"
    # Files, which requests name, are read through the API.
    kept = await client.get(f"/v1/files/{sent.json()['id']}/content")
    assert (kept.status_code, kept.content[1:4]) == (200, b"PNG")
    assert (await client.delete(f"/v1/jobs/{job['id']}")).status_code == 204
    assert (await client.delete(f"/v1/files/{sent.json()['id']}")).status_code == 204
    assert objects(bucket) == []
    assert (await client.get(moved.headers["location"])).status_code == 404


async def test_retention_removes_objects(client: httpx.AsyncClient, bucket: Path) -> None:
    job = await made(client, retention_seconds=1, num_images=2)

    async def gone() -> bool:
        return (await client.get(f"/v1/jobs/{job['id']}")).status_code == 404

    await wait_until_async(gone, 60)
    assert objects(bucket) == []


async def test_our_own_client_follows(service: Launched, server: S3Process, bucket: Path) -> None:
    from safelight import AsyncSafelight

    async with AsyncSafelight(service.address) as safelight:
        (picture,) = await safelight.generate("a red apple", seed=7)
        assert picture.content.startswith(b"\x89PNG")


async def test_an_outage_is_waited_for(client: httpx.AsyncClient, server: S3Process) -> None:
    job = await made(client)
    (image,) = job["images"]  # type: ignore[misc]
    server.kill()
    refused = await client.post("/v1/files", files={"file": ("in.png", encoded(gradient(64, 64)))})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "artifact_store_unavailable")
    late = await client.post("/v1/generations", json=ASKED | {"seed": 8})
    server.start()

    async def done() -> bool:
        return (await client.get(f"/v1/jobs/{late.json()['id']}")).json()["status"] == "succeeded"

    await wait_until_async(done, 30)
    assert (await client.get(image["url"], follow_redirects=True)).status_code == 200


TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"

PARENTS = {
    "POST /v1/generations": None,
    "admit": "POST /v1/generations",
    "queue": "admit",
    "execution": "admit",
    "encode text": "execution",
    "denoise": "execution",
    "decode": "execution",
    "encode file": "execution",
    "store": "execution",
    "settle": "execution",
    "webhook": "admit",
}
"""Every span of a job with one picture and a webhook, and what it is below."""


async def test_a_job_is_one_trace_from_call_to_webhook(client: httpx.AsyncClient, collector: Collector) -> None:
    async with receiving() as receiver:
        answer = await client.post(
            "/v1/generations",
            json=ASKED
            | {"prompt": "a canarybird", "seed": 9, "webhook": {"url": receiver.url, "events": ["succeeded"]}},
            headers={"Prefer": "wait=60", "traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-Id": "traced"},
        )
        await receiver.received(1)
    job_id = answer.json()["id"]
    await wait_until_async(lambda: _whole(collector), 20)
    spans = collector.of(TRACE)
    ids = {name: span.span_id for name, span in spans.items()}
    assert {name: span.parent_id for name, span in spans.items()} == {
        name: CALLER if parent is None else ids[parent] for name, parent in PARENTS.items()
    }
    assert {span.process for span in spans.values()} == {"safelight-api", "safelight-worker"}
    assert in_order(
        [spans[name] for name in ("admit", "queue", "encode text", "denoise", "decode", "encode file", "store")]
    )
    execution = spans["execution"].attributes
    assert execution["safelight.job_id"] == spans["admit"].attributes["safelight.job_id"] == job_id
    assert (execution["safelight.num_steps"], execution["safelight.num_rows"]) == (4, 2)
    assert (execution["safelight.attempt"], execution["safelight.outcome"]) == (1, "succeeded")
    assert spans["POST /v1/generations"].attributes["http.response.status_code"] == 200
    assert collector.paths == {"/v1/traces"}
    assert not any(span.has_failed for span in spans.values())
    assert "canarybird" not in "".join(span.text for span in collector.spans)


async def _whole(collector: Collector) -> bool:
    return set(PARENTS) <= set(collector.of(TRACE))


def in_order(spans: list[Collected]) -> bool:
    """Whether each began after the one before it."""
    began = [span.began_at for span in spans]
    return began == sorted(began) and all(span.began_at <= span.ended_at for span in spans)


async def test_the_log_names_the_trace(client: httpx.AsyncClient, service: Launched) -> None:
    trace = "1" * 32
    await client.get("/v1/jobs/job_1", headers={"traceparent": f"00-{trace}-{CALLER}-01"})

    async def is_logged() -> bool:
        return any(
            "GET /v1/jobs/job_1 404" in line and f"trace_id={trace}" in line for line in service.log().splitlines()
        )

    await wait_until_async(is_logged, 10)
