"""Predictions are jobs: created by any name of the model, waited for, read, listed, cancelled; errors are problems."""

import asyncio
import base64
from datetime import datetime
from typing import Any

import httpx
import pytest
import replicate
from replicate.exceptions import ReplicateError
from replicate.prediction import Prediction

from app.dialects.replicate.outputs import COOKIE
from app.dialects.replicate.predictions import PAGE_SIZE
from app.model_versions import version_id
from app.settings import AppSettings
from contract.catalogue import read_catalogue
from contract.errors import WorkerDied
from contract.job import JobFailure
from tests.app.conftest import CATALOGUE, Player, client_of, submit
from tests.dialects.replicate.conftest import CREATING, MODEL, NAME, creating
from tests.waiting import wait_until_async

INPUT = {"prompt": "a red apple", "num_inference_steps": 4, "seed": 7}
VERSION = version_id(read_catalogue(CATALOGUE).models[0])


async def create(client: httpx.AsyncClient, headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
    return await client.post("/v1/predictions", json={"version": MODEL, "input": INPUT} | changes, headers=headers)


async def waited_for(client: httpx.AsyncClient, prefer: str) -> asyncio.Task[httpx.Response]:
    """The answer to come to somebody who waits, once the prediction is accepted."""
    waiting = asyncio.create_task(create(client, {"Prefer": prefer}))

    async def accepted() -> bool:
        return bool((await client.get("/v1/predictions")).json()["results"])

    await wait_until_async(accepted, 10)
    return waiting


def assert_problem(response: httpx.Response, status: int, code: str, field: str | None = None) -> None:
    """The response is this error, as Replicate's clients read it."""
    problem = response.json()
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code), problem
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["title"]
    assert problem["detail"]
    assert [blamed["field"] for blamed in problem.get("invalid_fields", [])] == ([] if field is None else [field])


@pytest.mark.compat(CREATING[0], "version", "exact", "a model's id, `owner/name`, a version's id, `owner/name:version`")
@pytest.mark.parametrize("reference", [MODEL, NAME, VERSION, f"{NAME}:{VERSION}", f"{MODEL}:{VERSION}"])
async def test_a_model_has_many_names(local: replicate.Client, reference: str) -> None:
    prediction = await local.predictions.async_create(reference, INPUT)
    assert (prediction.model, prediction.version, prediction.status) == (NAME, VERSION, "starting")


async def test_a_model_is_named_by_the_path(local: replicate.Client) -> None:
    prediction = await local.models.predictions.async_create((NAME.split("/")[0], MODEL), INPUT)
    assert (prediction.model, prediction.version) == (NAME, VERSION)


@pytest.mark.parametrize("reference", ["nope", "safelight/nope", f"nope/{MODEL}", f"{NAME}:1", "0" * 64])
async def test_a_model_that_is_not_there(client: httpx.AsyncClient, reference: str) -> None:
    assert_problem(await create(client, version=reference), 404, "unknown_model", "version")


@pytest.mark.parametrize("name", ["nope", "%0A"])
async def test_the_path_may_name_a_model_that_is_not_there(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post(f"/v1/models/safelight/{name}/predictions", json={"input": INPUT})
    assert_problem(answer, 404, "unknown_model", "name")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"input": INPUT}, "version"),
        ({"version": MODEL}, "input"),
        ({"version": MODEL, "input": INPUT, "deployment": "x"}, "deployment"),
        ({"version": MODEL, "input": "a red apple"}, "input"),
        ({"version": 1, "input": INPUT}, "version"),
    ],
)
async def test_bodies_of_another_form_are_refused_by_name(
    client: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    assert_problem(await client.post("/v1/predictions", json=body), 422, "invalid_request", field)


async def test_bodies_that_cannot_be_read_are_problems_too(client: httpx.AsyncClient) -> None:
    json = {"content-type": "application/json"}
    assert_problem(await client.post("/v1/predictions", content=b"{", headers=json), 400, "malformed_json")
    answer = await client.post("/v1/predictions", content=b"{}", headers={"content-type": "text/plain"})
    assert_problem(answer, 415, "unsupported_media_type", "Content-Type")


@pytest.mark.compat("GET /v1/predictions/{prediction_id}", "-", "exact", "the job of this id")
@pytest.mark.compat("POST /v1/predictions/{prediction_id}/cancel", "-", "exact", "a running one ends at its next step")
async def test_what_the_sdk_reads_of_an_error(local: replicate.Client) -> None:
    for failing in (local.predictions.async_get("job_1"), local.predictions.async_cancel("job_1")):
        with pytest.raises(ReplicateError, match="There is no job") as raised:
            await failing
        assert (raised.value.status, raised.value.title) == (404, "Not Found")
    with pytest.raises(ReplicateError, match="steps") as raised:
        await local.predictions.async_create(MODEL, INPUT | {"steps": 4})
    assert (raised.value.status, raised.value.detail) == (422, "There is no field 'input.steps'.")


@pytest.mark.parametrize("name", ["deployments", "collections", "trainings", "hardware"])
async def test_what_is_not_here_is_said(client: httpx.AsyncClient, name: str) -> None:
    for path in (f"/v1/{name}", f"/v1/{name}/safelight/anything/predictions"):
        for method in ("GET", "POST", "DELETE"):
            answer = await client.request(method, path)
            assert_problem(answer, 404, "unknown_path")
            assert name in answer.json()["detail"]


async def test_a_prediction_follows_its_job(local: replicate.Client, player: Player) -> None:
    prediction = await local.predictions.async_create(MODEL, INPUT | {"num_outputs": 2})
    assert (prediction.output, prediction.logs, prediction.metrics, prediction.progress) == (None, "", {}, None)
    assert prediction.started_at is None
    lease = await player.claim()
    await player.report(lease, 3)
    await player.publish(lease, 0)
    await prediction.async_reload()
    assert (prediction.status, len(prediction.output), prediction.metrics) == ("processing", 1, {})
    assert prediction.logs == " 12%|█▎        | 1/8\n 25%|██▌       | 2/8\n 37%|███▊      | 3/8\n"
    assert prediction.progress == Prediction.Progress(0.37, 3, 8)
    await player.publish(lease, 1)
    await player.leases.warn(lease, "The prompt was cut.")
    await player.settle(lease)
    await prediction.async_reload()
    assert (prediction.status, prediction.error) == ("succeeded", None)
    assert prediction.output == [f"http://test/v1/artifacts/{prediction.id.replace('job', 'art')}_{n}" for n in (0, 1)]
    assert prediction.logs.endswith("100%|██████████| 8/8\nwarning: The prompt was cut.\n")
    assert prediction.progress == Prediction.Progress(1.0, 8, 8)
    created, started, completed = (
        datetime.fromisoformat(text) for text in (prediction.created_at, prediction.started_at, prediction.completed_at)
    )
    assert prediction.metrics == {
        "predict_time": (completed - started).total_seconds(),
        "total_time": (completed - created).total_seconds(),
    }
    assert prediction.created_at.endswith("Z")


async def test_a_failure_is_told_as_text(local: replicate.Client, player: Player) -> None:
    prediction = await local.predictions.async_create(MODEL, INPUT)
    await player.settle(await player.claim(), "failed", JobFailure.of(WorkerDied("The worker died.")))
    await prediction.async_reload()
    assert (prediction.status, prediction.error, prediction.output) == ("failed", "The worker died.", None)


async def test_a_prediction_is_cancelled(local: replicate.Client, player: Player) -> None:
    prediction = await local.predictions.async_create(MODEL, INPUT)
    await prediction.async_cancel()
    assert (prediction.status, prediction.started_at) == ("canceled", None)
    assert set(prediction.metrics) == {"total_time"}
    await prediction.async_cancel()
    assert prediction.status == "canceled"


async def test_jobs_and_predictions_are_the_same(
    client: httpx.AsyncClient, local: replicate.Client, player: Player
) -> None:
    job_id = await submit(client, num_images=2, seed=7)
    prediction = await local.predictions.async_create(MODEL, INPUT)
    assert [found.id for found in await local.predictions.async_list()] == [prediction.id, job_id]
    assert {job["id"] for job in (await client.get("/v1/jobs")).json()["data"]} == {prediction.id, job_id}
    native = await local.predictions.async_get(job_id)
    assert native.input.items() >= {"prompt": "a red apple", "num_images": 2, "seed": 7}.items()
    assert "model" not in native.input
    await player.finish()
    await native.async_wait()
    assert (native.status, len(native.output)) == ("succeeded", 2)


@pytest.mark.compat("GET /v1/predictions", "cursor", "exact", "as `next` names it; `previous` is always null")
async def test_predictions_are_listed_page_by_page(client: httpx.AsyncClient, local: replicate.Client) -> None:
    ids = [await submit(client) for _ in range(PAGE_SIZE + 1)]
    pages = [page async for page in replicate.pagination.async_paginate(local.predictions.async_list)]
    assert [len(page) for page in pages] == [PAGE_SIZE, 1]
    assert [found.id for page in pages for found in page] == ids[::-1]
    assert {found.logs for page in pages for found in page} == {None}
    assert (pages[0].previous, pages[1].next) == (None, None)
    assert_problem(await client.get("/v1/predictions?cursor=x"), 422, "invalid_request", "cursor")
    assert_problem(await client.get("/v1/predictions?created_after=x"), 422, "invalid_request", "created_after")


@creating("stream", "mapped", "`urls.stream` is there in any case")
async def test_every_prediction_can_be_followed(client: httpx.AsyncClient) -> None:
    for stream in (True, False, None):
        urls = (await create(client, stream=stream)).json()["urls"]
        assert set(urls) == {"get", "cancel", "stream"}
        assert (await client.get(urls["get"])).json()["urls"] == urls


@creating("Cancel-After", "refused", "there are no deadlines")
async def test_deadlines_are_refused(client: httpx.AsyncClient) -> None:
    assert_problem(await create(client, {"Cancel-After": "5m"}), 422, "invalid_request", "Cancel-After")


@creating("Prefer", "exact", "`wait` is 60 seconds, `wait=N` 0 to 60; other preferences are passed over")
async def test_a_client_waits_as_long_as_it_prefers(client: httpx.AsyncClient) -> None:
    plain = await create(client)
    assert (plain.status_code, plain.headers["location"]) == (201, f"/v1/predictions/{plain.json()['id']}")
    assert "preference-applied" not in plain.headers
    assert (await create(client, {"Prefer": "respond-async"})).status_code == 201
    waited = await create(client, {"Prefer": "wait=0"})
    assert (waited.status_code, waited.headers["preference-applied"]) == (202, "wait=0")
    assert_problem(await create(client, {"Prefer": "wait=61"}), 422, "invalid_request", "Prefer")
    assert_problem(await create(client, {"Prefer": "wait="}), 422, "invalid_request", "Prefer")


async def test_what_does_not_end_in_time_is_starting(client: httpx.AsyncClient, player: Player) -> None:
    """Whatever it is by then: the SDK takes a prediction that it waited for and that is not starting for ended."""
    waiting = await waited_for(client, "wait=1")
    lease = await player.claim()
    await player.report(lease, 2)
    answer = await waiting
    prediction = answer.json()
    assert (answer.status_code, prediction["status"], prediction["logs"]) == (202, "starting", "")
    assert (await client.get(prediction["urls"]["get"])).json()["status"] == "processing"


async def test_a_bare_wait_is_a_minute(client: httpx.AsyncClient, player: Player) -> None:
    waiting = await waited_for(client, "wait")
    await player.finish()
    answer = await waiting
    assert (answer.status_code, answer.headers["preference-applied"]) == (201, "wait=60")
    assert answer.json()["status"] == "succeeded"


def by_address(prediction: dict[str, Any], base: str) -> list[str]:
    return [f"{base}/v1/artifacts/{prediction['id'].replace('job', 'art')}_0"]


async def test_who_waits_by_plain_http_has_the_pictures(client: httpx.AsyncClient, player: Player) -> None:
    """The SDK makes files of `https:` and `data:`, and of nothing else."""
    waiting = await waited_for(client, "wait")
    await player.finish()
    prediction = (await waiting).json()
    expected = base64.b64encode(f"picture 0 of {prediction['id']}".encode()).decode()
    assert prediction["output"] == [f"data:image/png;base64,{expected}"]
    assert (await client.get(prediction["urls"]["get"])).json()["output"] == by_address(prediction, "http://test")


async def test_who_waits_behind_tls_has_addresses(client: httpx.AsyncClient, player: Player) -> None:
    client.base_url = httpx.URL("https://test")
    waiting = await waited_for(client, "wait")
    await player.finish()
    prediction = (await waiting).json()
    assert prediction["output"] == by_address(prediction, "https://test")


async def test_who_waited_too_short_a_time_has_the_pictures_too(client: httpx.AsyncClient, player: Player) -> None:
    waited = await create(client, {"Prefer": "wait=0"})
    prediction = waited.json()
    await player.finish()
    assert (await client.get(prediction["urls"]["get"])).json()["output"][0].startswith("data:image/png;base64,")
    (listed,) = (await client.get("/v1/predictions")).json()["results"]
    assert listed["output"] == by_address(prediction, "http://test")
    assert f"Path=/v1/predictions/{prediction['id']};" in waited.headers["set-cookie"]
    client.cookies.delete(COOKIE)
    assert (await client.get(prediction["urls"]["get"])).json()["output"] == by_address(prediction, "http://test")


async def test_many_bytes_are_left_where_they_are(settings: AppSettings, player: Player) -> None:
    async with client_of(settings.model_copy(update={"max_inline_bytes": 20})) as client:
        waiting = await waited_for(client, "wait")
        await player.finish()
        prediction = (await waiting).json()
        assert prediction["output"] == by_address(prediction, "http://test")
