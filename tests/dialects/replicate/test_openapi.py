"""The OpenAPI document says of this dialect what is so."""

import httpx

from tests.app.conftest import Player
from tests.app.test_openapi import validator
from tests.dialects.replicate.conftest import MODEL, NAME
from tests.pictures import encoded, gradient

INPUT = {"prompt": "a red apple", "num_inference_steps": 4}


async def test_answers_are_as_documented(client: httpx.AsyncClient, player: Player) -> None:
    document = (await client.get("/openapi.json")).json()

    async def check(method: str, path: str, template: str, **call: object) -> httpx.Response:
        response = await client.request(method, path, **call)
        answer = document["paths"][template][method.lower()]["responses"][str(response.status_code)]
        schema = answer["content"]["application/json"]["schema"]
        validator(document, schema).validate(response.json())
        return response

    async def statuses(*calls: tuple[int, str, str, str, dict[str, object]]) -> None:
        for status, method, path, template, call in calls:
            assert (await check(method, path, template, **call)).status_code == status, path

    one, version = "/v1/predictions/{prediction_id}", "/v1/models/{owner}/{name}/versions/{version_id}"
    body = {"version": MODEL, "input": INPUT}
    made = (await check("POST", "/v1/predictions", "/v1/predictions", json=body)).json()["id"]
    versions = await check("GET", f"/v1/models/{NAME}/versions", "/v1/models/{owner}/{name}/versions")
    version_id = versions.json()["results"][0]["id"]
    await player.finish()
    await statuses(
        (202, "POST", "/v1/predictions", "/v1/predictions", {"json": body, "headers": {"Prefer": "wait=0"}}),
        (422, "POST", "/v1/predictions", "/v1/predictions", {"json": {}}),
        (
            201,
            "POST",
            f"/v1/models/{NAME}/predictions",
            "/v1/models/{owner}/{name}/predictions",
            {"json": {"input": INPUT}},
        ),
        (
            404,
            "POST",
            "/v1/models/a/b/predictions",
            "/v1/models/{owner}/{name}/predictions",
            {"json": {"input": INPUT}},
        ),
        (200, "GET", "/v1/predictions", "/v1/predictions", {}),
        (200, "GET", f"/v1/predictions/{made}", one, {}),
        (404, "GET", "/v1/predictions/job_1", one, {}),
        (200, "POST", f"/v1/predictions/{made}/cancel", f"{one}/cancel", {}),
        (404, "GET", "/v1/predictions/job_1/stream", f"{one}/stream", {}),
        (200, "GET", f"/v1/models/{NAME}/versions/{version_id}", version, {}),
        (404, "GET", f"/v1/models/{NAME}/versions/1", version, {}),
        (200, "GET", f"/v1/models/{NAME}", "/v1/models/{model_id}", {}),
        (404, "GET", "/v1/models/a/b", "/v1/models/{model_id}", {}),
        (200, "GET", "/v1/webhooks/default/secret", "/v1/webhooks/default/secret", {}),
        (200, "GET", "/v1/account", "/v1/account", {}),
        (201, "POST", "/v1/files", "/v1/files", {"files": {"content": encoded(gradient())}}),
        (422, "POST", "/v1/files", "/v1/files", {"files": {"content": b"text"}}),
    )
