"""Every way to be wrong has one shape of answer."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.errors import ANSWERS
from app.settings import AppSettings
from contract.errors import SafelightError
from contract.job_store import JobStore
from tests.app.conftest import BODY, Api, assert_error, client_of

JSON = {"content-type": "application/json"}

PERTURBED = {"kind": "perturbed_attention", "scale": 3}
PROJECTED = {"kind": "adaptive_projected", "scale": 3}
CLASSIFIED = {"kind": "classifier", "classifier": "emoji-groups", "label": "animals", "scale": 3}

FIELDS: list[tuple[str, object, str, str]] = [
    ("prompt", "", "prompt", "invalid_request"),
    ("prompt", "x" * 2001, "prompt", "invalid_request"),
    ("prompt", 5, "prompt", "invalid_request"),
    ("prompt", None, "prompt", "invalid_request"),
    ("prompt", ["a"], "prompt", "invalid_request"),
    ("negative_prompt", "x" * 2001, "negative_prompt", "invalid_request"),
    ("model", "nope", "model", "unknown_model"),
    ("model", "", "model", "unknown_model"),
    ("model", 1, "model", "invalid_request"),
    ("num_images", 0, "num_images", "invalid_request"),
    ("num_images", 17, "num_images", "invalid_request"),
    ("num_images", "1", "num_images", "invalid_request"),
    ("num_images", 1.0, "num_images", "invalid_request"),
    ("num_images", True, "num_images", "invalid_request"),
    ("height", 100, "height", "limit_exceeded"),
    ("height", 32, "height", "limit_exceeded"),
    ("height", 288, "height", "limit_exceeded"),
    ("height", -128, "height", "invalid_request"),
    ("width", 10**30, "width", "limit_exceeded"),
    ("width", 10**4000, "width", "limit_exceeded"),
    ("width", 128.5, "width", "invalid_request"),
    ("num_inference_steps", 0, "num_inference_steps", "invalid_request"),
    ("num_inference_steps", 151, "num_inference_steps", "limit_exceeded"),
    ("guidance_scale", -0.1, "guidance_scale", "invalid_request"),
    ("guidance_scale", 30.5, "guidance_scale", "limit_exceeded"),
    ("guidance_scale", 1e308, "guidance_scale", "limit_exceeded"),
    ("guidance_scale", 10**400, "guidance_scale", "invalid_request"),
    ("guidance_scale", "4", "guidance_scale", "invalid_request"),
    ("guidance", {"kind": "magic", "scale": 3}, "guidance", "invalid_request"),
    ("guidance", {"scale": 3}, "guidance", "invalid_request"),
    ("guidance", 3, "guidance", "invalid_request"),
    ("guidance", [], "guidance", "invalid_request"),
    ("guidance", [{"kind": "perturbed_attention", "scale": 1}] * 9, "guidance", "invalid_request"),
    ("guidance", {"kind": "classifier_free"}, "guidance.scale", "invalid_request"),
    ("guidance", {"kind": "classifier_free", "scale": "3"}, "guidance.scale", "invalid_request"),
    ("guidance", {"kind": "classifier_free", "scale": 31}, "guidance.scale", "limit_exceeded"),
    ("guidance", {"kind": "cfg_pp", "scale": 1.1}, "guidance.scale", "invalid_request"),
    ("guidance", {"kind": "cfg_pp", "scale": 0.5, "interval": [0, 1]}, "guidance.interval", "invalid_request"),
    ("guidance", [PERTURBED | {"interval": [0.6, 0.2]}], "guidance.0.interval", "invalid_request"),
    ("guidance", PERTURBED | {"interval": [0.5, 0.5]}, "guidance.interval", "invalid_request"),
    ("guidance", PERTURBED | {"interval": [0.5]}, "guidance.interval.1", "invalid_request"),
    ("guidance", PERTURBED | {"interval": [0, 1.5]}, "guidance.interval.1", "invalid_request"),
    ("guidance", [PERTURBED, PERTURBED], "guidance", "guidance_conflict"),
    ("guidance", [{"kind": "cfg_pp", "scale": 0.5}, PERTURBED], "guidance", "guidance_conflict"),
    ("guidance", [PROJECTED, {"kind": "classifier_free", "scale": 3}], "guidance", "guidance_conflict"),
    ("guidance", CLASSIFIED | {"classifier": "nope"}, "guidance.classifier", "unknown_classifier"),
    ("guidance", [PERTURBED, CLASSIFIED | {"label": "nope"}], "guidance.1.label", "unknown_label"),
    ("guidance", CLASSIFIED | {"kind": "universal"}, "guidance.classifier", "unsupported_classifier"),
    ("guidance", CLASSIFIED | {"kind": "universal", "recurrence": 0}, "guidance.recurrence", "invalid_request"),
    ("scheduler", "plms", "scheduler", "invalid_request"),
    ("scheduler", 0, "scheduler", "invalid_request"),
    ("seed", -1, "seed", "invalid_request"),
    ("seed", 2**53, "seed", "invalid_request"),
    ("seed", "7", "seed", "invalid_request"),
    ("output_format", "gif", "output_format", "invalid_request"),
    ("output_quality", 101, "output_quality", "invalid_request"),
    ("output_quality", 50, "output_quality", "invalid_request"),
    ("metadata", "x", "metadata", "invalid_request"),
    ("metadata", {"order": 42}, "metadata.order", "invalid_request"),
    ("metadata", {"order": "x" * 513}, "metadata.order", "invalid_request"),
    ("metadata", {"": "x"}, "metadata.", "invalid_request"),
    ("metadata", {"k" * 65: "x"}, "metadata." + "k" * 65, "invalid_request"),
    ("metadata", {str(n): "x" for n in range(17)}, "metadata", "invalid_request"),
    ("stepz", 3, "stepz", "invalid_request"),
    ("__proto__", 3, "__proto__", "invalid_request"),
]


@pytest.mark.parametrize(("name", "value", "field", "code"), FIELDS, ids=lambda value: repr(value)[:30])
async def test_a_wrong_field_is_named(
    *, client: httpx.AsyncClient, job_store: JobStore, name: str, value: object, field: str, code: str
) -> None:
    response = await client.post("/v1/generations", json=BODY | {name: value})
    assert_error(response, 404 if code in ("unknown_model", "unknown_classifier") else 422, code, field)
    assert name in response.json()["error"]["message"] or code not in ("invalid_request", "limit_exceeded")
    assert (await job_store.counts())["queued"] == 0


async def test_a_job_may_not_cost_too_much(settings: AppSettings) -> None:
    async with client_of(settings) as client:
        body = BODY | {"height": 256, "width": 256, "num_inference_steps": 150, "num_images": 16}
        assert_error(await client.post("/v1/generations", json=body), 422, "limit_exceeded", "num_images")


UNIVERSAL = {"kind": "universal", "classifier": "emoji-groups-pixels", "label": "animals", "scale": 3}


@pytest.mark.parametrize("guidance", [{"kind": "cfg_pp", "scale": 0.5}, UNIVERSAL], ids=lambda kind: kind["kind"])
async def test_guidance_names_the_schedulers_that_it_goes_with(client: httpx.AsyncClient, guidance: object) -> None:
    response = await client.post("/v1/generations", json=BODY | {"guidance": guidance, "scheduler": "dpmpp_2m"})
    assert_error(response, 422, "unsupported_scheduler", "scheduler")
    assert "euler_ancestral" in response.json()["error"]["message"]


async def test_guidance_is_said_once(client: httpx.AsyncClient) -> None:
    body = BODY | {"guidance_scale": 3, "guidance": {"kind": "classifier_free", "scale": 3}}
    assert (await client.post("/v1/generations", json=body)).status_code == 202, "both say the same"
    response = await client.post("/v1/generations", json=body | {"guidance_scale": 4})
    assert_error(response, 422, "invalid_request", "guidance")


async def test_a_prompt_may_be_empty_where_a_classifier_steers(client: httpx.AsyncClient) -> None:
    body = {"prompt": "", "num_inference_steps": 10, "guidance": UNIVERSAL | {"recurrence": 2}}
    job = (await client.post("/v1/generations", json=body)).json()
    assert job["cost"] == {"pixel_steps": 327680, "network_rows": 20, "gradients": 20, "classifier_gradients": 0}
    again = await client.post("/v1/generations", json=job["request"])
    assert (again.status_code, again.json()["request"]) == (202, job["request"])
    body["guidance"] = PERTURBED
    assert_error(await client.post("/v1/generations", json=body), 422, "invalid_request", "prompt")


async def test_the_prompt_is_required(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/generations", json={})
    assert_error(response, 422, "invalid_request", "prompt")
    assert response.json()["error"]["message"].startswith("prompt is required")


MALFORMED = [
    b"",
    b"{",
    b"nonsense",
    b'{"prompt": "a",}',
    b"{'prompt': 'a'}",
    b'{"prompt": "a"} x',
    b'{"prompt": "a", "prompt": "b"}',
    b'{"prompt": "a", "metadata": {"k": "1", "k": "2"}}',
    b'{"prompt": "a", "guidance_scale": NaN}',
    b'{"prompt": "a", "guidance_scale": Infinity}',
    b'{"prompt": "a", "guidance_scale": -Infinity}',
    b'{"prompt": "a", "guidance": {"kind": "cfg_pp", "scale": NaN}}',
    b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}",
    b'{"prompt": "\\u0000"}',
    b'{"prompt": "a\x00b"}',
    b'{"prompt": "\\ud800"}',
    b'{"\\udfff": 1}',
    b'{"metadata": {"\\ud83d": "x"}}',
    b'{"prompt": "\xff"}',
    b"\xef\xbb\xbf{}",
    '{"prompt": "a"}'.encode("utf-16"),
    b"[" * 100_000,
    b'{"a":' * 30_000,
]


@pytest.mark.parametrize("content", MALFORMED, ids=lambda content: repr(content[:40]))
async def test_what_is_not_json_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    assert_error(await client.post("/v1/generations", content=content, headers=JSON), 400, "malformed_json")


@pytest.mark.parametrize("content", [b"null", b"[]", b'"text"', b"5", b"true"])
async def test_what_is_not_an_object_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    assert_error(await client.post("/v1/generations", content=content, headers=JSON), 422, "invalid_request")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "json", ";", None])
async def test_other_media_types_are_refused(client: httpx.AsyncClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    response = await client.post("/v1/generations", content=b'{"prompt": "a"}', headers=headers)
    assert_error(response, 415, "unsupported_media_type", "Content-Type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"])
async def test_json_has_several_names(client: httpx.AsyncClient, media_type: str) -> None:
    response = await client.post("/v1/generations", content=b'{"prompt": "a"}', headers={"content-type": media_type})
    assert response.status_code == 202


async def in_pieces() -> AsyncIterator[bytes]:
    for _ in range(100):
        yield b" " * 10_000


async def test_a_large_body_is_refused_declared_or_not(client: httpx.AsyncClient) -> None:
    declared = await client.post("/v1/generations", content=b" " * 300_000, headers=JSON)
    assert_error(declared, 413, "body_too_large")
    assert_error(await client.post("/v1/generations", content=in_pieces(), headers=JSON), 413, "body_too_large")


async def test_a_large_body_is_refused_by_a_real_server_too(api: Api) -> None:
    async with api.client() as client:
        response = await client.post("/v1/generations", content=in_pieces(), headers=JSON)
        assert_error(response, 413, "body_too_large")
        assert_error(await client.post("/v1/nothing", content=b" " * 300_000), 404, "unknown_path")


@pytest.mark.parametrize("path", ["/nope", "/v1", "/v1/jobs/", "/v1/jobs/a/b", "/v1//jobs", "/docs/%2e%2e/x"])
async def test_an_unknown_path(client: httpx.AsyncClient, path: str) -> None:
    assert_error(await client.get(path), 404, "unknown_path")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/generations", "POST"),
        ("PUT", "/v1/jobs/job_1", "DELETE, GET"),
        ("GET", "/v1/jobs/job_1/cancel", "POST"),
        ("POST", "/v1/jobs", "GET"),
        ("POST", "/v1/artifacts/art_1_0", "GET, HEAD"),
        ("DELETE", "/openapi.json", "GET"),
        ("BREW", "/healthz", "GET"),
    ],
)
async def test_a_wrong_method_hears_the_right_ones(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    response = await client.request(method, path)
    assert_error(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize("job_id", ["job_1", "%00", "%F0%9F%8D%8E", "..%2f..", "x" * 3000])
async def test_an_unknown_job(client: httpx.AsyncClient, job_id: str) -> None:
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/events")]:
        response = await client.request(method, f"/v1/jobs/{job_id}{path}")
        assert_error(response, 404, "unknown_path" if "%2f" in job_id else "unknown_job")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("status=done", "status"),
        ("cursor=abc", "cursor"),
        ("cursor=-1", "cursor"),
        ("cursor=" + "9" * 40, "cursor"),
        ("page=2", "page"),
    ],
)
async def test_a_wrong_query(client: httpx.AsyncClient, query: str, field: str) -> None:
    assert_error(await client.get(f"/v1/jobs?{query}"), 422, "invalid_request", field)


async def test_a_request_id_is_kept_if_it_is_one(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/nope"):
        assert (await client.get(path, headers={"X-Request-Id": "abc-123"})).headers["x-request-id"] == "abc-123"
        for odd in ("", "a b", "x" * 129, '"<script>"'):
            made = (await client.get(path, headers={"X-Request-Id": odd})).headers["x-request-id"]
            assert len(made) == 32


def every_subclass(cls: type[SafelightError]) -> set[type[SafelightError]]:
    return {cls}.union(*(every_subclass(child) for child in cls.__subclasses__()))


def test_every_error_has_its_line_in_the_table() -> None:
    ours = {cls for cls in every_subclass(SafelightError) if cls.__module__.split(".")[0] in ("contract", "app")}
    assert ours == set(ANSWERS)
    assert len({cls.code for cls in ours}) == len(ours)
