"""What may be asked of a run to record, and how what was recorded is shown, read and removed."""

import hashlib
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from app.settings import AppSettings
from contract.artifact import Artifact, artifact_id
from contract.leases import Lease
from contract.store_connection import StoreConnection
from contract.traces import FileName, Trace, TraceFile, trace_file_id
from tests.app.conftest import BODY, Player, assert_error, client_of, submit
from tests.app.keys import bearer, make_key

DOCUMENT = b'{"version": 1}'
CONTENTS: dict[FileName, tuple[str, bytes]] = {
    "trace": ("application/json", DOCUMENT),
    "latents": ("image/png", b"a sprite"),
    "attention": ("application/octet-stream", bytes(range(256))),
}


async def publish_traced(player: Player, lease: Lease) -> Artifact:
    """What a worker does with a recorded picture."""
    files = []
    for name, (media_type, content) in CONTENTS.items():
        storage_key = f"{lease.job_id}/{lease.execution_id}/{name}"
        await player.artifacts.put(storage_key, content)
        digest = hashlib.sha256(content).hexdigest()
        files.append(
            TraceFile(
                id=trace_file_id(lease.job_id, name),
                name=name,
                media_type=media_type,
                size_bytes=len(content),
                sha256=digest,
                storage_key=storage_key,
            )
        )
    artifact = Artifact(
        id=artifact_id(lease.job_id, 0),
        index=0,
        seed=7,
        width=128,
        height=128,
        media_type="image/png",
        size_bytes=7,
        sha256=hashlib.sha256(b"picture").hexdigest(),
        storage_key=f"{lease.job_id}/{lease.execution_id}/0.png",
    )
    await player.artifacts.put(artifact.storage_key, b"picture")
    assert await player.leases.publish_image(lease, artifact, Trace(files=tuple(files)))
    return artifact


async def traced(client: httpx.AsyncClient, player: Player) -> dict[str, Any]:
    """A job whose run was recorded."""
    job_id = await submit(client, trace={"text": True, "latents": True})
    lease = await player.claim()
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["trace"] is None
    await publish_traced(player, lease)
    await player.settle(lease)
    return cast(dict[str, Any], (await client.get(f"/v1/jobs/{job_id}")).json())


def files_of(folder: Path, job_id: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and job_id in str(path)]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"trace": {}}, "invalid_request", "trace"),
        ({"trace": {"text": False}}, "invalid_request", "trace"),
        ({"trace": {"words": True}}, "invalid_request", "trace.words"),
        ({"trace": {"text": 1}}, "invalid_request", "trace.text"),
        ({"trace": {"text": True}, "num_images": 2}, "invalid_request", "num_images"),
        ({"trace": {"text": True}, "num_inference_steps": 51}, "limit_exceeded", "num_inference_steps"),
    ],
)
async def test_what_cannot_be_recorded_is_refused(
    client: httpx.AsyncClient, changes: dict[str, object], code: str, field: str
) -> None:
    for query in ("", "?dry_run=true"):
        assert_error(await client.post(f"/v1/generations{query}", json=BODY | changes), 422, code, field)


async def test_limits_and_kinds_are_said(client: httpx.AsyncClient) -> None:
    model = (await client.get("/v1/models/safelight-emoji")).json()
    assert model["trace_kinds"] == ["attention", "latents", "guidance", "text", "autoencoder"]
    assert (model["limits"]["max_traced_steps"], model["limits"]["max_traced_pixels"]) == (50, 512 * 512)
    body = BODY | {"trace": {"text": True}, "num_inference_steps": model["limits"]["max_traced_steps"]}
    assert (await client.post("/v1/generations", json=body)).status_code == 202


async def test_files_of_a_trace_are_read_like_pictures(client: httpx.AsyncClient, player: Player) -> None:
    job = await traced(client, player)
    trace = job["trace"]
    assert trace["url"] == trace["files"]["trace"]["url"]
    assert set(trace["files"]) == set(CONTENTS)
    for name, (media_type, content) in CONTENTS.items():
        shown = trace["files"][name]
        answer = await client.get(shown["url"])
        assert (answer.content, answer.headers["content-type"]) == (content, media_type)
        assert (shown["size_bytes"], shown["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    part = await client.get(trace["files"]["attention"]["url"], headers={"Range": "bytes=16-31"})
    assert (part.status_code, part.content) == (206, bytes(range(16, 32)))


async def test_a_trace_is_no_part_of_the_request(client: httpx.AsyncClient, player: Player) -> None:
    """Posted again, the request makes the same picture, and records nothing."""
    job = await traced(client, player)
    assert "trace" not in job["request"]
    again = await client.post("/v1/generations", json=job["request"])
    assert again.status_code == 202, again.text


async def test_a_call_with_another_trace_is_another_call(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    for trace, status in (({"text": True}, 202), ({"text": True}, 202), ({"latents": True}, 409)):
        answer = await client.post("/v1/generations", json=BODY | {"trace": trace}, headers=headers)
        assert answer.status_code == status


async def test_a_trace_is_removed_with_its_job(
    client: httpx.AsyncClient, player: Player, artifacts_folder: Path
) -> None:
    job = await traced(client, player)
    assert len(files_of(artifacts_folder, job["id"])) == 1 + len(CONTENTS)
    assert (await client.delete(f"/v1/jobs/{job['id']}")).status_code == 204
    assert_error(await client.get(job["trace"]["url"]), 404, "unknown_artifact")
    assert files_of(artifacts_folder, job["id"]) == []


async def test_a_file_of_a_trace_is_no_picture_to_start_from(client: httpx.AsyncClient, player: Player) -> None:
    job = await traced(client, player)
    named = trace_file_id(job["id"], "latents")
    assert_error(await client.post("/v1/generations", json=BODY | {"image": named}), 422, "invalid_request", "image")


async def test_a_trace_is_its_tenants(settings: AppSettings, player: Player, connection: StoreConnection) -> None:
    mine, theirs = [bearer(await make_key(connection, tenant)) for tenant in ("acme", "rival")]
    async with client_of(settings) as client:
        answer = await client.post("/v1/generations", json=BODY | {"trace": {"text": True}}, headers=mine)
        lease = await player.claim()
        await publish_traced(player, lease)
        await player.settle(lease)
        job = (await client.get(f"/v1/jobs/{answer.json()['id']}", headers=mine)).json()
        signed = job["trace"]["url"]
        bare = signed.partition("?")[0]
        assert (await client.get(signed)).content == DOCUMENT
        assert_error(await client.get(bare), 401, "unauthenticated")
        assert_error(await client.get(bare, headers=theirs), 404, "unknown_artifact")
        assert_error(await client.get(signed.replace("_trace?", "_latents?")), 404, "unknown_artifact")
