"""Nobody meets what is another tenant's: every route, held against every way of not being allowed.

The table has a row for each route of the application; one that is new fails the first test until it has one.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from app.auth import scope_of
from app.dialects.replicate.refusals import METHODS, NOT_HERE
from app.main import create_app
from app.settings import AppSettings
from contract.key_texts import KeyText
from contract.keys import Scope
from contract.store_connection import StoreConnection
from tests.app.conftest import BODY, Player, client_of, submit
from tests.app.keys import ALL, bearer, make_expired_key, make_key, make_revoked_key
from tests.app.taught import Teacher, ask, submitted
from tests.pictures import encoded, gradient

Ids = dict[str, str]

OPEN = {
    ("GET", "/"),
    ("GET", "/teach"),
    ("GET", "/inside"),
    ("GET", "/inside/source/{name:path}"),
    ("GET", "/web/{name:path}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/{asset}"),
    ("GET", "/v1/receipts/keys"),
}
"""Routes that are everybody's."""


@dataclass(frozen=True)
class Call:
    """How a route is called so that it answers well, and what of a tenant's it names."""

    names: Literal["job", "artifact", "file", "dataset", "fine_tune"] | None = None
    shared: bool = False
    ids: Ids = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


PICTURE = encoded(gradient())
LESSON = ("a.png", encoded(gradient(32, 32)))
CAPTION = {"caption": "a cat"}
FIRST = {"index": "0"}
HOOK = "http://127.0.0.1:9/hook"

AUTOMATIC1111_LISTS = (
    "sd-models loras schedulers upscalers latent-upscale-modes embeddings scripts sd-vae hypernetworks face-restorers "
    "realesrgan-models prompt-styles script-info extensions memory cmd-flags"
)
AUTOMATIC1111_SIGNS = (
    "refresh-checkpoints refresh-vae refresh-loras refresh-embeddings unload-checkpoint reload-checkpoint"
)

REPLICATE_MODEL = "/v1/models/{owner}/{name:name}"
EMOJI = {"owner": "safelight", "name:name": "safelight-emoji", "version_id": "any"}

CALLS: dict[tuple[str, str], Call] = {
    ("POST", "/v1/generations"): Call(options={"json": BODY}),
    ("POST", "/v1/dense-predictions"): Call(options={"json": {"model": "any", "image": "file_0"}}),
    ("GET", "/v1/jobs"): Call(),
    ("GET", "/v1/jobs/{job_id}"): Call("job"),
    ("POST", "/v1/jobs/{job_id}/cancel"): Call("job"),
    ("DELETE", "/v1/jobs/{job_id}"): Call("job"),
    ("GET", "/v1/jobs/{job_id}/events"): Call("job"),
    ("GET", "/v1/jobs/{job_id}/deliveries"): Call("job"),
    ("POST", "/v1/jobs/{job_id}/deliveries/{delivery_id}/redeliver"): Call("job"),
    ("GET", "/v1/webhooks/secret"): Call(options={"params": {"url": HOOK}}),
    ("POST", "/v1/webhooks/secret/rotate"): Call(options={"params": {"url": HOOK}}),
    ("GET", "/v1/artifacts/{artifact_id}"): Call("artifact"),
    ("HEAD", "/v1/artifacts/{artifact_id}"): Call("artifact"),
    ("POST", "/v1/verify"): Call(options={"files": {"file": PICTURE}}),
    ("POST", "/v1/replay"): Call(options={"files": {"file": PICTURE}}),
    ("POST", "/v1/files"): Call(options={"files": {"file": PICTURE}}),
    ("GET", "/v1/files"): Call(),
    ("GET", "/v1/files/{file_id}"): Call("file"),
    ("DELETE", "/v1/files/{file_id}"): Call("file"),
    ("GET", "/v1/files/{file_id}/content"): Call("file"),
    ("HEAD", "/v1/files/{file_id}/content"): Call("file"),
    ("POST", "/v1/datasets"): Call(options={"files": {"files": LESSON}}),
    ("GET", "/v1/datasets"): Call(),
    ("GET", "/v1/datasets/{dataset_id}"): Call("dataset"),
    ("DELETE", "/v1/datasets/{dataset_id}"): Call("dataset"),
    ("POST", "/v1/datasets/{dataset_id}/pictures"): Call("dataset", options={"files": {"files": ("b.png", PICTURE)}}),
    ("PATCH", "/v1/datasets/{dataset_id}/pictures/{index}"): Call("dataset", ids=FIRST, options={"json": CAPTION}),
    ("DELETE", "/v1/datasets/{dataset_id}/pictures/{index}"): Call("dataset", ids=FIRST),
    ("GET", "/v1/datasets/{dataset_id}/pictures/{index}/content"): Call("dataset", ids=FIRST),
    ("HEAD", "/v1/datasets/{dataset_id}/pictures/{index}/content"): Call("dataset", ids=FIRST),
    ("POST", "/v1/fine-tunes"): Call(options={"json": {"dataset": f"ds_{0:032x}", "method": "lora"}}),
    ("GET", "/v1/fine-tunes"): Call(),
    ("GET", "/v1/fine-tunes/{fine_tune_id}"): Call("fine_tune"),
    ("DELETE", "/v1/fine-tunes/{fine_tune_id}"): Call("fine_tune"),
    ("POST", "/v1/fine-tunes/{fine_tune_id}/cancel"): Call("fine_tune"),
    ("GET", "/v1/fine-tunes/{fine_tune_id}/deliveries"): Call("fine_tune"),
    ("POST", "/v1/fine-tunes/{fine_tune_id}/deliveries/{delivery_id}/redeliver"): Call("fine_tune"),
    ("GET", "/v1/fine-tunes/{fine_tune_id}/events"): Call("fine_tune"),
    ("GET", "/v1/fine-tunes/{fine_tune_id}/samples/{step}"): Call("fine_tune", ids={"step": "0"}),
    ("HEAD", "/v1/fine-tunes/{fine_tune_id}/samples/{step}"): Call("fine_tune", ids={"step": "0"}),
    ("GET", "/v1/fine-tunes/{fine_tune_id}/files/{name}"): Call("fine_tune", ids={"name": "kohya-lora.safetensors"}),
    ("HEAD", "/v1/fine-tunes/{fine_tune_id}/files/{name}"): Call("fine_tune", ids={"name": "kohya-lora.safetensors"}),
    ("GET", "/v1/models"): Call(shared=True),
    ("GET", "/v1/models/{model_id:path}"): Call(shared=True, ids={"model_id:path": "safelight-emoji"}),
    ("GET", "/v1/models/{model_id:path}/architecture"): Call(shared=True, ids={"model_id:path": "safelight-emoji"}),
    ("GET", "/v1/adapters"): Call(shared=True),
    ("GET", "/v1/adapters/{adapter_id:path}"): Call(shared=True, ids={"adapter_id:path": "gilded"}),
    ("GET", "/v1/classifiers"): Call(shared=True),
    ("GET", "/v1/classifiers/{classifier_id:path}"): Call(shared=True, ids={"classifier_id:path": "emoji-groups"}),
    ("GET", "/metrics"): Call(shared=True),
    ("POST", "/v1/images/generations"): Call(options={"json": BODY}),
    ("POST", "/v1/images/edits"): Call(options={"files": {"image": PICTURE}, "data": BODY}),
    ("POST", "/v1/images/variations"): Call(options={"files": {"image": PICTURE}}),
    ("POST", "/sdapi/v1/txt2img"): Call(options={"json": BODY}),
    ("POST", "/sdapi/v1/img2img"): Call(options={"json": BODY}),
    ("GET", "/sdapi/v1/progress"): Call(),
    ("POST", "/sdapi/v1/interrupt"): Call(),
    ("POST", "/sdapi/v1/skip"): Call(),
    ("GET", "/sdapi/v1/options"): Call(),
    ("POST", "/sdapi/v1/options"): Call(options={"json": {}}),
    ("GET", "/sdapi/v1/samplers"): Call(),
    **{("GET", f"/sdapi/v1/{name}"): Call(shared=True) for name in AUTOMATIC1111_LISTS.split()},
    **{("POST", f"/sdapi/v1/{name}"): Call(shared=True) for name in AUTOMATIC1111_SIGNS.split()},
    **{
        ("POST", f"/sdapi/v1/{name}"): Call(shared=True, options={"json": {"image": ""}})
        for name in ("png-info", "interrogate", "extra-single-image", "extra-batch-images")
    },
    ("GET", "/v1/account"): Call(),
    ("POST", "/v1/predictions"): Call(options={"json": {"version": "safelight-emoji", "input": BODY}}),
    ("GET", "/v1/predictions"): Call(),
    ("GET", "/v1/predictions/{prediction_id}"): Call("job"),
    ("POST", "/v1/predictions/{prediction_id}/cancel"): Call("job"),
    ("GET", "/v1/predictions/{prediction_id}/stream"): Call("job"),
    ("GET", "/v1/webhooks/default/secret"): Call(),
    ("POST", f"{REPLICATE_MODEL}/predictions"): Call(ids=EMOJI, options={"json": {"input": BODY}}),
    ("GET", f"{REPLICATE_MODEL}/versions"): Call(shared=True, ids=EMOJI),
    ("GET", f"{REPLICATE_MODEL}/versions/{{version_id}}"): Call(shared=True, ids=EMOJI),
    **{
        (method, f"/v1/{name}{rest}"): Call(shared=True, ids={"rest:path": "any"})
        for name in NOT_HERE
        for rest in ("", "/{rest:path}")
        for method in METHODS
    },
}
"""Routes that want a key. `shared` says that all tenants hear the same."""

MISSING = {
    "job": f"job_{0:032x}",
    "artifact": f"art_{0:032x}_0",
    "file": f"file_{0:032x}",
    "dataset": f"ds_{0:032x}",
    "fine_tune": f"ft_{0:032x}",
    "job_delivery": f"whd_{0:032x}_1",
    "fine_tune_delivery": f"whd_ft_{0:032x}_1",
}
"""Ids that nothing has."""

NAMING = [route for route, call in CALLS.items() if call.names]
OWN_LISTS = {("GET", "/v1/jobs"), ("GET", "/v1/files"), ("GET", "/v1/datasets"), ("GET", "/v1/fine-tunes")}
LISTS = [("GET", path) for method, path in CALLS if (method, path) in OWN_LISTS]


def test_every_route_is_in_the_table(settings: AppSettings) -> None:
    contexts = list(iter_route_contexts(create_app(settings).routes))
    found = {(method, context.path) for context in contexts for method in context.methods or ()}
    assert found == OPEN | set(CALLS)


def test_what_is_open_and_what_is_not() -> None:
    assert {route for route in OPEN | set(CALLS) if scope_of(route[1], route[0]) is None} == OPEN


@pytest.fixture
async def keys(connection: StoreConnection) -> dict[str, KeyText]:
    """Keys by what is wrong with them; `acme` and `rival` may do everything, as two tenants."""
    by_scope = {f"without {scope}": tuple(other for other in ALL if other != scope) for scope in ALL}
    return {
        "acme": await make_key(connection, "acme"),
        "rival": await make_key(connection, "rival"),
        "expired": await make_expired_key(connection),
        "revoked": await make_revoked_key(connection),
    } | {word: await make_key(connection, "acme", scopes) for word, scopes in by_scope.items()}


@pytest.fixture
async def client(keys: dict[str, KeyText], settings: AppSettings) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a key."""
    async with client_of(settings) as client:
        yield client


@pytest.fixture
async def acme(client: httpx.AsyncClient, keys: dict[str, KeyText]) -> httpx.AsyncClient:
    """The owner of everything."""
    return as_tenant(client, keys["acme"])


@pytest.fixture
async def rival(client: httpx.AsyncClient, keys: dict[str, KeyText]) -> httpx.AsyncClient:
    return as_tenant(client, keys["rival"])


def as_tenant(client: httpx.AsyncClient, key: KeyText) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=client._transport, base_url=client.base_url, headers=bearer(key))


@pytest.fixture
async def owned(acme: httpx.AsyncClient, player: Player, connection: StoreConnection, tmp_path: Path) -> Ids:
    """What acme has: a job that has ended, its picture, a webhook's delivery, a file, a data set, and a fine-tune that
    has ended, whose result is no file.
    """
    job_id = await submit(acme, webhook={"url": HOOK})
    lease = await player.claim()
    await player.publish(lease, content=PICTURE)
    await player.settle(lease)
    job = (await acme.get(f"/v1/jobs/{job_id}")).json()
    file = (await acme.post("/v1/files", files={"file": PICTURE})).json()
    dataset = (await acme.post("/v1/datasets", files={"files": LESSON})).json()
    own = {"job": job_id, "artifact": job["images"][0]["id"], "file": file["id"], "dataset": dataset["id"]}
    own["fine_tune"] = await submitted(acme, dataset=own["dataset"], webhook={"url": HOOK})
    await Teacher(connection, player.artifacts, tmp_path).finish(kept_as_file=False)
    for kind, place in (("job", "jobs"), ("fine_tune", "fine-tunes")):
        (delivery,) = (await acme.get(f"/v1/{place}/{own[kind]}/deliveries")).json()["data"]
        own[f"{kind}_delivery"] = delivery["id"]
    return own


async def call(client: httpx.AsyncClient, route: tuple[str, str], ids: Ids, **options: Any) -> httpx.Response:
    """The answer of a route; its parameters are filled with these ids."""
    method, path = route
    row = CALLS[route]
    named = {f"{kind}_id": one for kind, one in ids.items()} | {"prediction_id": ids.get("job", "")}
    named["delivery_id"] = ids.get(f"{row.names}_delivery", "")
    for name, found in (named | row.ids).items():
        path = path.replace(f"{{{name}}}", found)
    return await client.request(method, path, **row.options | options)


async def answer(client: httpx.AsyncClient, route: tuple[str, str], ids: Ids) -> tuple[int, str, set[str]]:
    """Status, body and names of the headers, less what differs between any two requests."""
    response = await call(client, route, ids)
    text = response.text.replace(response.headers["x-request-id"], "REQUEST")
    for one in ids.values():
        text = text.replace(one, "ID")
    return response.status_code, text, set(response.headers)


@pytest.mark.parametrize("who", ["nobody", "expired", "revoked"])
@pytest.mark.parametrize("route", CALLS, ids=" ".join)
async def test_no_key_no_answer(
    client: httpx.AsyncClient, keys: dict[str, KeyText], route: tuple[str, str], who: str
) -> None:
    headers = {} if who == "nobody" else bearer(keys[who])
    response = await call(client, route, MISSING, headers=headers)
    assert response.status_code == 401
    assert "www-authenticate" in response.headers


@pytest.mark.parametrize("route", CALLS, ids=" ".join)
async def test_a_key_of_other_scopes_is_refused(
    client: httpx.AsyncClient, keys: dict[str, KeyText], route: tuple[str, str]
) -> None:
    scope: Scope | None = scope_of(route[1], route[0])
    response = await call(client, route, MISSING, headers=bearer(keys[f"without {scope}"]))
    assert response.status_code == 403


@pytest.mark.parametrize("route", NAMING, ids=" ".join)
async def test_what_is_anothers_is_as_what_is_not_there(
    acme: httpx.AsyncClient, rival: httpx.AsyncClient, owned: Ids, route: tuple[str, str]
) -> None:
    missing = await answer(rival, route, MISSING)
    assert missing[0] == 404
    assert await answer(rival, route, owned) == missing
    assert (await call(acme, route, owned)).is_success, "it is there, and the rival's call did it no harm"


@pytest.mark.parametrize("route", LISTS, ids=" ".join)
async def test_lists_are_the_tenants_own(
    acme: httpx.AsyncClient, rival: httpx.AsyncClient, owned: Ids, route: tuple[str, str]
) -> None:
    assert [one["id"] in owned.values() for one in (await call(acme, route, {})).json()["data"]] == [True]
    assert (await call(rival, route, {})).json()["data"] == []


async def test_every_status_lists_the_tenants_own(
    acme: httpx.AsyncClient, rival: httpx.AsyncClient, player: Player
) -> None:
    ids = {"succeeded": await submit(acme)}
    await player.finish()
    ids["running"] = await submit(acme)
    await player.claim()
    ids["queued"], ids["cancelled"] = await submit(acme), await submit(acme)
    await acme.post(f"/v1/jobs/{ids['cancelled']}/cancel")
    for status, job_id in ids.items():
        path = f"/v1/jobs?status={status}"
        assert [job["id"] for job in (await acme.get(path)).json()["data"]] == [job_id]
        assert (await rival.get(path)).json()["data"] == []


async def test_a_requests_references_are_the_tenants_own(
    acme: httpx.AsyncClient, rival: httpx.AsyncClient, owned: Ids
) -> None:
    assert (await ask(acme, dataset=owned["dataset"])).status_code == 202
    assert (await ask(rival, dataset=owned["dataset"])).json()["error"]["code"] == "unknown_dataset"
    use = {"adapters": [{"id": owned["fine_tune"]}]}
    assert (await acme.post("/v1/generations", json=BODY | use)).json()["error"]["code"] == "adapter_mismatch"
    assert (await rival.post("/v1/generations", json=BODY | use)).json()["error"]["code"] == "unknown_adapter"
    for kind in ("file", "artifact"):
        asked = {**BODY, "image": owned[kind], "resize": "stretch"}
        assert (await acme.post("/v1/generations", json=asked)).status_code == 202
        foreign = await rival.post("/v1/generations", json=asked)
        missing = await rival.post("/v1/generations", json=asked | {"image": MISSING[kind]})
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (404, f"unknown_{kind}")
        assert foreign.text.replace(owned[kind], "").replace(foreign.headers["x-request-id"], "") == (
            missing.text.replace(MISSING[kind], "").replace(missing.headers["x-request-id"], "")
        )
    assert (await rival.get("/v1/jobs")).json()["data"] == []


async def test_an_idempotency_key_is_a_tenants_own(acme: httpx.AsyncClient, rival: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "order-42"}

    async def admitted(client: httpx.AsyncClient, prompt: str) -> httpx.Response:
        return await client.post("/v1/generations", json={"prompt": prompt}, headers=headers)

    first, again, foreign = await admitted(acme, "a"), await admitted(acme, "a"), await admitted(rival, "b")
    assert first.json()["id"] == again.json()["id"] != foreign.json()["id"]
    assert (await admitted(acme, "b")).status_code == 409


async def test_a_receiver_has_a_secret_of_its_own_for_every_tenant(
    acme: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    async def key(client: httpx.AsyncClient) -> str:
        return str((await call(client, ("GET", "/v1/webhooks/secret"), {})).json()["key"])

    assert await key(acme) == await key(acme) != await key(rival)
    before = await key(rival)
    await call(acme, ("POST", "/v1/webhooks/secret/rotate"), {})
    assert await key(rival) == before


async def test_nothing_of_a_tenant_is_left_when_all_that_it_has_is_removed(
    acme: httpx.AsyncClient, owned: Ids, connection: StoreConnection
) -> None:
    before = {name for name in await connection.redis.keys() if name.endswith("@acme")}
    indices = ("jobs", "jobs:succeeded", "files", "datasets", "fine_tunes:jobs")
    assert {f"safelight:{index}@acme" for index in indices} <= before
    assert (await acme.delete(f"/v1/jobs/{owned['job']}")).status_code == 204
    assert (await acme.delete(f"/v1/files/{owned['file']}")).status_code == 204
    assert (await acme.delete(f"/v1/fine-tunes/{owned['fine_tune']}")).status_code == 204
    assert (await acme.delete(f"/v1/datasets/{owned['dataset']}")).status_code == 204
    assert [name for name in await connection.redis.keys() if "acme" in name] == []
    assert not await connection.redis.exists("safelight:tenants", "safelight:fine_tunes:tenants")


async def test_metrics_count_the_jobs_of_all_tenants(acme: httpx.AsyncClient, rival: httpx.AsyncClient) -> None:
    for client in (acme, acme, rival):
        await submit(client)
    for client in (acme, rival):
        assert 'safelight_jobs{status="queued"} 3.0' in (await client.get("/metrics")).text
