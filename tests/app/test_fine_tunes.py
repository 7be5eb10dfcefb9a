"""POST /v1/fine-tunes and what follows: completed, refused, followed, used as an adapter, removed."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.settings import AppSettings
from contract.artifact_store import ArtifactStore
from contract.store_connection import StoreConnection
from contract.teaching_costs import TeachingCosts
from tests.app.conftest import BODY, Player, assert_error, client_of, submit
from tests.app.taught import GRID, WEIGHTS, Teacher, ask, dataset_of, submitted

MISSING = f"ft_{0:032x}"


@pytest.fixture
def teacher(connection: StoreConnection, artifacts_folder: Path, tmp_path: Path) -> Teacher:
    return Teacher(connection, ArtifactStore(artifacts_folder.as_uri()), tmp_path)


async def shown(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    response = await client.get(f"/v1/fine-tunes/{job_id}")
    assert response.status_code == 200, response.text
    job: dict[str, Any] = response.json()
    return job


async def test_what_is_left_open_is_filled_and_can_be_asked_again(client: httpx.AsyncClient) -> None:
    response = await ask(client, steps="auto", metadata={"order": "42"})
    job = response.json()
    assert response.headers["location"] == f"/v1/fine-tunes/{job['id']}"
    assert (job["object"], job["status"], job["queue_position"], job["attempt"]) == ("fine_tune", "queued", 1, 0)
    request = job["request"]
    assert (request["model"], request["resolution"], request["validation_prompts"]) == (
        "safelight-emoji",
        128,
        ["zorbling"],
    )
    assert all(isinstance(request[name], int) for name in ("steps", "seed", "sample_every", "checkpoint_every"))
    assert not {"pictures", "dataset_digest"} & set(request)
    assert any("One picture" in warning for warning in job["warnings"])
    again = await client.post("/v1/fine-tunes", json=request)
    assert again.json()["request"] == request
    assert [one["id"] for one in (await client.get("/v1/fine-tunes")).json()["data"]] == [again.json()["id"], job["id"]]
    assert (await client.get("/v1/jobs")).json()["data"] == [], "it is no generation"
    assert_error(await client.get(f"/v1/jobs/{job['id']}"), 404, "unknown_job")
    assert_error(await client.post(f"/v1/jobs/{job['id']}/cancel"), 404, "unknown_job")
    assert_error(await client.get(f"/v1/fine-tunes/job_{0:032x}"), 404, "unknown_job")


PRIOR = {"prior_preservation": {"class_prompt": "a cat"}}

REFUSED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "no such data set": ({"dataset": f"ds_{0:032x}"}, 404, "unknown_dataset", "dataset"),
    "no id of a data set": ({"dataset": "cats"}, 422, "invalid_request", "dataset"),
    "no such model": ({"model": "none"}, 404, "unknown_model", "model"),
    "no such method": ({"method": "magic"}, 422, "invalid_request", "method"),
    "no such field": ({"step": 3}, 422, "invalid_request", "step"),
    "a field of another method": (PRIOR, 422, "invalid_request", "prior_preservation"),
    "vectors of a lora": ({"num_vectors": 3}, 422, "invalid_request", "num_vectors"),
    "a task of a lora": ({"task": "depth"}, 422, "invalid_request", "task"),
    "a word without a word": ({"method": "textual_inversion", "trigger": None}, 422, "invalid_request", "trigger"),
    "two words": ({"method": "textual_inversion", "trigger": "a b"}, 422, "invalid_request", "trigger"),
    "no class": ({"method": "dreambooth"}, 422, "invalid_request", "prior_preservation"),
    "no task": ({"method": "image_conditional", "trigger": None}, 422, "invalid_request", "task"),
    "no maps": ({"method": "image_conditional", "trigger": None, "task": "depth"}, 422, "invalid_request", "dataset"),
    "no steps": ({"steps": 0}, 422, "invalid_request", "steps"),
    "too many steps": ({"steps": 20_001}, 422, "invalid_request", "steps"),
    "too much of it": ({"steps": 20_000, "batch_size": 64}, 422, "limit_exceeded", "steps"),
    "a rank of nothing": ({"rank": 0}, 422, "invalid_request", "rank"),
    "a rate beyond sense": ({"learning_rate": 2}, 422, "invalid_request", "learning_rate"),
    "an odd size": ({"resolution": 100}, 422, "limit_exceeded", "resolution"),
    "too large a size": ({"resolution": 512}, 422, "limit_exceeded", "resolution"),
    "nine prompts": ({"validation_prompts": ["a"] * 9}, 422, "invalid_request", "validation_prompts"),
    "kept for too long": ({"retention_seconds": 40 * 24 * 3600}, 422, "limit_exceeded", "retention_seconds"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_taught_is_refused_by_name(client: httpx.AsyncClient, case: str) -> None:
    said, status, code, field = REFUSED[case]
    assert_error(await ask(client, **said), status, code, field)
    assert (await client.get("/v1/fine-tunes")).json()["data"] == []


async def test_a_data_set_that_is_taught_cannot_go(client: httpx.AsyncClient, teacher: Teacher) -> None:
    dataset = await dataset_of(client)
    await submitted(client, dataset=dataset)
    assert_error(await client.delete(f"/v1/datasets/{dataset}"), 409, "dataset_in_use")
    await teacher.finish()
    assert (await client.delete(f"/v1/datasets/{dataset}")).status_code == 204
    assert_error(await ask(client, dataset=dataset), 404, "unknown_dataset", "dataset")


async def test_a_data_set_without_pictures_teaches_nothing(client: httpx.AsyncClient) -> None:
    dataset = await dataset_of(client)
    await client.delete(f"/v1/datasets/{dataset}/pictures/0")
    assert_error(await ask(client, dataset=dataset), 422, "empty_dataset", "dataset")


async def test_a_repeated_call_is_one_fine_tune(client: httpx.AsyncClient) -> None:
    dataset, headers = await dataset_of(client), {"Idempotency-Key": "k"}
    first = await ask(client, dataset=dataset, headers=headers)
    await client.patch(f"/v1/datasets/{dataset}/pictures/0", json={"caption": "another"})
    assert (await ask(client, dataset=dataset, headers=headers)).content == first.content
    other = await ask(client, dataset=dataset, headers=headers, steps=9)
    assert_error(other, 409, "idempotency_conflict", "Idempotency-Key")


async def test_a_dry_run_is_honest_about_what_nobody_knows(
    client: httpx.AsyncClient, teacher: Teacher, connection: StoreConnection
) -> None:
    dataset = await dataset_of(client)
    quote = (await ask(client, dataset=dataset, params={"dry_run": True})).json()
    assert quote["cost"] == {"pixel_steps": 3 * 8 * 4 * 128 * 128, "seconds": None}
    assert (quote["object"], quote["eta_seconds"]) == ("quote", None)
    assert (await client.get("/v1/fine-tunes")).json()["data"] == []
    job_id = await submitted(client, dataset=dataset)
    await TeachingCosts(connection).report((await teacher.jobs.get(job_id)).request, 0.5)
    quote = (await ask(client, dataset=dataset, steps=10, params={"dry_run": True})).json()
    assert quote["cost"]["seconds"] == 5.0


async def test_a_fine_tune_to_its_end(client: httpx.AsyncClient, teacher: Teacher) -> None:
    job_id = await submitted(client)
    lease = await teacher.finish()
    job = await shown(client, job_id)
    assert (job["status"], job["loss"], job["learning_rate"], job["progress"]["step"]) == ("succeeded", 0.25, 0.001, 8)
    (sample,) = job["samples"]
    assert (sample["step"], sample["prompts"]) == (0, ["zorbling"])
    assert (await client.get(sample["url"])).content == GRID
    files = {file["name"]: file for file in job["result"]["files"]}
    assert [file["layout"] for file in files.values()] == ["diffusers", "kohya"]
    for name, file in files.items():
        answer = await client.get(file["url"])
        assert (answer.content, answer.headers["etag"]) == (WEIGHTS + name.encode(), f'"{file["sha256"]}"')
    assert job["result"]["card"]["recipe"]["dataset"] == job["request"]["dataset"]
    for path in ("samples/7", "files/nothing", "files/checkpoint-1"):
        assert_error(await client.get(f"/v1/fine-tunes/{job_id}/{path}"), 404, "unknown_artifact")
    assert not await teacher.leases.settle(lease, "failed"), "the lease has ended with it"
    events = (await client.get(f"/v1/fine-tunes/{job_id}/events")).text
    names = [line.partition(": ")[2] for line in events.splitlines() if line.startswith("event")]
    assert names == ["queued", "started", "sample", "checkpoint", "progress", "succeeded"]
    told = [json.loads(line.partition(": ")[2]) for line in events.splitlines() if line.startswith("data")]
    assert told[2] == sample
    assert told[-1] == job
    ids = [line.partition(": ")[2] for line in events.splitlines() if line.startswith("id")]
    rest = await client.get(f"/v1/fine-tunes/{job_id}/events", headers={"Last-Event-ID": ids[3]})
    assert rest.text.startswith("event: progress")


async def test_what_was_learnt_is_an_adapter(client: httpx.AsyncClient, teacher: Teacher, player: Player) -> None:
    job_id = await submitted(client)
    use = {"adapters": [{"id": job_id, "scale": 0.5}]}
    waiting = await client.post("/v1/generations", json=BODY | use)
    assert_error(waiting, 422, "adapter_mismatch", "adapters.0.id")
    await teacher.finish()
    file_id = (await shown(client, job_id))["result"]["file_id"]
    headers = {"Idempotency-Key": "k"}
    answer = await client.post("/v1/generations", json=BODY | use, headers=headers)
    assert answer.json()["request"]["adapters"] == [{"id": file_id, "scale": 0.5}]
    assert (await client.post("/v1/generations", json=BODY | use, headers=headers)).content == answer.content
    assert_error(await client.delete(f"/v1/fine-tunes/{job_id}"), 409, "file_in_use")
    await player.finish()
    unknown = await client.post("/v1/generations", json=BODY | {"adapters": [{"id": MISSING}]})
    assert_error(unknown, 404, "unknown_adapter", "adapters.0.id")
    assert (await client.delete(f"/v1/fine-tunes/{job_id}")).status_code == 204
    assert_error(await client.get(f"/v1/files/{file_id}"), 404, "unknown_file")
    assert not list(teacher.artifacts._folder.glob(f"{job_id}/**/*"))  # type: ignore[union-attr]


async def test_only_the_last_checkpoint_is_kept(client: httpx.AsyncClient, teacher: Teacher) -> None:
    job_id = await submitted(client)
    lease = await teacher.claim()
    for step in (2, 4):
        await teacher.checkpoint(lease, step)
    assert (await shown(client, job_id))["checkpoints"] == [{"step": 4}]
    kept = list(teacher.artifacts._folder.glob(f"{job_id}/**/checkpoint-*"))  # type: ignore[union-attr]
    assert [path.name for path in kept] == ["checkpoint-4"]


async def test_one_that_waits_is_cancelled_at_once_and_one_that_runs_when_it_is_heard(
    client: httpx.AsyncClient, teacher: Teacher
) -> None:
    running, waiting = await submitted(client), await submitted(client)
    lease = await teacher.claim()
    assert_error(await client.delete(f"/v1/fine-tunes/{running}"), 409, "job_not_ended")
    assert (await client.post(f"/v1/fine-tunes/{waiting}/cancel")).json()["status"] == "cancelled"
    assert (await client.post(f"/v1/fine-tunes/{running}/cancel")).json()["status"] == "running"
    assert (await teacher.leases.renew([lease]))[0].cancel_requested
    made = await teacher.learnt(lease)
    assert await teacher.leases.settle(lease, "cancelled", made=made)
    job = await shown(client, running)
    assert (job["status"], job["result"]["adapter_id"]) == ("cancelled", running)
    listed = (await client.get("/v1/fine-tunes?status=cancelled")).json()["data"]
    assert {one["id"] for one in listed} == {running, waiting}


async def test_nothing_of_an_execution_that_lost_its_lease_is_seen(client: httpx.AsyncClient, teacher: Teacher) -> None:
    job_id = await submitted(client)
    lost = await teacher.claim()
    made = await teacher.learnt(lost)
    assert await teacher.leases.give_back([lost], "lost") == 1
    await teacher.sample(lost, 0)
    await teacher.checkpoint(lost, 2)
    assert not await teacher.leases.settle(lost, "succeeded", made=made)
    job = await shown(client, job_id)
    assert (job["status"], job["samples"], job["checkpoints"], job["result"]) == ("queued", [], [], None)
    assert (await client.get("/v1/files")).json()["data"] == []


async def test_lines_do_not_meet(client: httpx.AsyncClient, teacher: Teacher, player: Player) -> None:
    fine_tune, generation = await submitted(client), await submit(client)
    assert (await player.claim()).job_id == generation
    assert await player.leases.claim("other") is None
    assert (await teacher.claim()).job_id == fine_tune
    assert await teacher.leases.claim("other") is None
    assert 'safelight_jobs{status="running"} 1.0' in (await client.get("/metrics")).text


async def test_where_nothing_is_taught_nothing_is_accepted(settings: AppSettings, client: httpx.AsyncClient) -> None:
    dataset = await dataset_of(client)
    async with client_of(settings.model_copy(update={"fine_tuning": False})) as elsewhere:
        assert_error(await ask(elsewhere, dataset=dataset), 404, "not_offered")
