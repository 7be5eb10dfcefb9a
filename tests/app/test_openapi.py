"""The OpenAPI document describes everything, and says the truth; its page needs nobody else."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.app.conftest import BODY, Player, submit
from tests.pictures import encoded, gradient

Document = dict[str, Any]

ERROR_SHAPES = {
    "/v1/images/": "OpenAIErrorResponse",
    "/sdapi/v1/": "Automatic1111Error",
    "/v1/predictions": "Problem",
    "/v1/models/{owner}/": "Problem",
    "/v1/account": "Problem",
    "/v1/webhooks/default/": "Problem",
}
"""Where errors have another shape than everywhere else: under these paths, in the words of a dialect's clients."""


@pytest.fixture
async def document(client: httpx.AsyncClient) -> Document:
    return (await client.get("/openapi.json")).json()


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def error_shape(path: str) -> str:
    """The schema of an operation's errors."""
    return next((shape for under, shape in ERROR_SHAPES.items() if path.startswith(under)), "ErrorResponse")


def validator(document: Document, schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema | {"components": document["components"]})


def test_every_property_is_described_and_has_examples_that_validate(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert {"GenerationPosted", "JobShown", "ErrorResponse"} <= set(schemas)
    for name, schema in schemas.items():
        assert schema.get("description"), name
        for field, part in schema.get("properties", {}).items():
            assert part.get("description"), f"{name}.{field}"
            assert part.get("examples"), f"{name}.{field}"
            for example in part["examples"]:
                validator(document, part).validate(example)


def test_examples_make_valid_wholes(document: Document) -> None:
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            whole = {field: part["examples"][0] for field, part in schema["properties"].items()}
            validator(document, schema).validate(whole)


def test_every_operation_documents_its_parameters_errors_and_headers(document: Document) -> None:
    seen = list(operations(document))
    assert len(seen) >= 13
    assert len({operation["operationId"] for _, _, operation in seen}) == len(seen)
    for path, method, operation in seen:
        assert operation["summary"], path
        assert operation["tags"], path
        assert method == "head" or operation["description"], path
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (path, parameter)
            assert parameter.get("examples") or parameter["schema"].get("examples"), (path, parameter["name"])
        assert "500" in operation["responses"], path
        for status, response in operation["responses"].items():
            assert response["description"] not in ("", "Successful Response", "Validation Error"), (path, status)
            assert "X-Request-Id" in response["headers"], (path, status)
            assert ("WWW-Authenticate" in response["headers"]) == (status == "401"), (path, status)
            assert ("Retry-After" in response["headers"]) == (status in ("429", "503")), (path, status)
            if int(status) >= 400:
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": f"#/components/schemas/{error_shape(path)}"}, (path, status)


def test_what_every_operation_may_answer(document: Document) -> None:
    expected = {
        ("/v1/generations", "post"): {"200", "202", "400", "404", "409", "413", "415", "422", "429", "500", "503"},
        ("/v1/jobs", "get"): {"200", "422", "500", "503"},
        ("/v1/jobs/{job_id}", "get"): {"200", "404", "500", "503"},
        ("/v1/jobs/{job_id}", "delete"): {"204", "404", "409", "500", "503"},
        ("/v1/jobs/{job_id}/cancel", "post"): {"200", "404", "500", "503"},
        ("/v1/jobs/{job_id}/events", "get"): {"200", "404", "422", "500", "503"},
        ("/v1/artifacts/{artifact_id}", "get"): {"200", "206", "304", "307", "404", "416", "500", "503"},
        ("/v1/artifacts/{artifact_id}", "head"): {"200", "304", "404", "500", "503"},
        ("/v1/files", "post"): {"201", "400", "413", "415", "422", "500", "503"},
        ("/v1/files", "get"): {"200", "422", "500", "503"},
        ("/v1/files/{file_id}", "get"): {"200", "404", "500", "503"},
        ("/v1/files/{file_id}", "delete"): {"204", "404", "409", "500", "503"},
        ("/v1/files/{file_id}/content", "get"): {"200", "206", "304", "404", "416", "500", "503"},
        ("/v1/files/{file_id}/content", "head"): {"200", "304", "404", "500", "503"},
        ("/v1/datasets", "post"): {"201", "400", "413", "415", "422", "500", "503"},
        ("/v1/datasets", "get"): {"200", "422", "500", "503"},
        ("/v1/datasets/{dataset_id}", "get"): {"200", "404", "500", "503"},
        ("/v1/datasets/{dataset_id}", "delete"): {"204", "404", "409", "500", "503"},
        ("/v1/datasets/{dataset_id}/pictures", "post"): {"200", "400", "404", "413", "415", "422", "500", "503"},
        ("/v1/datasets/{dataset_id}/pictures/{index}", "patch"): {
            *("200", "400", "404", "413", "415", "422", "500", "503")
        },
        ("/v1/datasets/{dataset_id}/pictures/{index}", "delete"): {"200", "404", "409", "422", "500", "503"},
        ("/v1/datasets/{dataset_id}/pictures/{index}/content", "get"): {
            *("200", "206", "304", "404", "416", "422", "500", "503")
        },
        ("/v1/fine-tunes", "post"): {*("200", "202", "400", "404", "409", "413", "415", "422", "429", "500", "503")},
        ("/v1/fine-tunes", "get"): {"200", "422", "500", "503"},
        ("/v1/fine-tunes/{fine_tune_id}", "get"): {"200", "404", "500", "503"},
        ("/v1/fine-tunes/{fine_tune_id}", "delete"): {"204", "404", "409", "500", "503"},
        ("/v1/fine-tunes/{fine_tune_id}/cancel", "post"): {"200", "404", "500", "503"},
        ("/v1/fine-tunes/{fine_tune_id}/events", "get"): {"200", "404", "422", "500", "503"},
        ("/v1/fine-tunes/{fine_tune_id}/files/{name}", "get"): {"200", "206", "304", "404", "416", "500", "503"},
        ("/v1/models/{model_id}", "get"): {"200", "404", "500", "503"},
        ("/v1/classifiers/{classifier_id}", "get"): {"200", "404", "500"},
        ("/readyz", "get"): {"200", "500", "503"},
    }
    found = {(path, method): set(operation["responses"]) for path, method, operation in operations(document)}
    refused = {"401", "403"}
    assert {key: found[key] - refused for key in expected} == expected
    assert {path for path, method in found if not refused <= found[path, method]} == {
        "/", "/healthz", "/readyz", "/v1/receipts/keys"
    }  # fmt: skip
    created = document["paths"]["/v1/generations"]["post"]["responses"]
    for status in ("200", "202"):
        assert {"Location", "Preference-Applied"} <= set(created[status]["headers"])
    picture = document["paths"]["/v1/artifacts/{artifact_id}"]["get"]["responses"]
    pictures, traces = {"image/png", "image/jpeg", "image/webp"}, {"application/json", "application/octet-stream"}
    assert pictures | traces == set(picture["200"]["content"])
    written = picture["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert {"tokens", "steps", "attention"} <= set(document["components"]["schemas"][written]["properties"])
    assert set(document["paths"]["/v1/files"]["post"]["requestBody"]["content"]) == {"multipart/form-data"}
    assert "Location" in document["paths"]["/v1/files"]["post"]["responses"]["201"]["headers"]
    stream = document["paths"]["/v1/jobs/{job_id}/events"]["get"]["responses"]["200"]
    assert set(stream["content"]) == {"text/event-stream"}


async def test_answers_are_as_documented(client: httpx.AsyncClient, document: Document, player: Player) -> None:
    def check(response: httpx.Response, path: str, method: str = "get") -> None:
        answer = document["paths"][path][method]["responses"][str(response.status_code)]
        validator(document, answer["content"]["application/json"]["schema"]).validate(response.json())

    check(await client.post("/v1/generations", json=BODY), "/v1/generations", "post")
    check(await client.post("/v1/generations", json={}), "/v1/generations", "post")
    job_id = await submit(client, metadata={"order": "42"})
    await player.finish()
    await player.finish()
    check(await client.get(f"/v1/jobs/{job_id}"), "/v1/jobs/{job_id}")
    check(await client.get("/v1/jobs/job_1"), "/v1/jobs/{job_id}")
    check(await client.get("/v1/jobs"), "/v1/jobs")
    check(await client.get("/v1/models"), "/v1/models")
    sent = await client.post("/v1/files", files={"file": encoded(gradient())})
    check(sent, "/v1/files", "post")
    check(await client.post("/v1/files", files={"file": b"text"}), "/v1/files", "post")
    check(await client.get("/v1/files"), "/v1/files")
    check(await client.get(f"/v1/files/{sent.json()['id']}"), "/v1/files/{file_id}")
    check(await client.get("/v1/files/file_1"), "/v1/files/{file_id}")
    lesson = {"files": ("cat.png", encoded(gradient(32, 32)))}
    taught = await client.post("/v1/datasets", files=lesson)
    check(taught, "/v1/datasets", "post")
    check(await client.post("/v1/datasets", files={"files": ("cat.txt", b"a cat")}), "/v1/datasets", "post")
    check(await client.get("/v1/datasets"), "/v1/datasets")
    check(await client.get(f"/v1/datasets/{taught.json()['id']}"), "/v1/datasets/{dataset_id}")
    asked = {"dataset": taught.json()["id"], "method": "lora"}
    tuned = await client.post("/v1/fine-tunes", json=asked)
    check(tuned, "/v1/fine-tunes", "post")
    check(await client.post("/v1/fine-tunes?dry_run=true", json=asked), "/v1/fine-tunes", "post")
    check(await client.post("/v1/fine-tunes", json={}), "/v1/fine-tunes", "post")
    check(await client.get("/v1/fine-tunes"), "/v1/fine-tunes")
    check(await client.get(f"/v1/fine-tunes/{tuned.json()['id']}"), "/v1/fine-tunes/{fine_tune_id}")
    check(await client.get("/v1/models/safelight-emoji"), "/v1/models/{model_id}")
    check(await client.get("/v1/classifiers"), "/v1/classifiers")
    check(await client.get("/v1/classifiers/emoji-groups"), "/v1/classifiers/{classifier_id}")
    check(await client.get("/readyz"), "/readyz")
    check(await client.get("/healthz"), "/healthz")
    check(await client.get("/"), "/")


async def test_the_page_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    sources = re.findall(r"(?:src|href)=[\"']([^\"']+)[\"']", page.text)
    assert len(sources) == 3
    for source in sources:
        assert source.startswith("/docs/")
        asset = await client.get(source)
        assert asset.status_code == 200
        assert len(asset.content) > 500
    assert "url: '/openapi.json'" in page.text
    assert not re.search(r"https?://", page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("asset", ["__init__.py", "..%2fmain.py", "%2e%2e%2f__init__.py", "swagger-ui.css%00"])
async def test_only_the_pages_own_files_are_served(client: httpx.AsyncClient, asset: str) -> None:
    assert (await client.get(f"/docs/{asset}")).status_code in (404, 422)
