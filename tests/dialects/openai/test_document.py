"""What /openapi.json says of these operations is what they take and answer."""

from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from app.dialects.openai.bodies import REFUSED
from tests.dialects.openai.desk import Desk
from tests.dialects.openai.operations import EDITS, GENERATIONS, OPERATIONS, PATHS

Document = dict[str, Any]


@pytest.fixture
async def document(client: httpx.AsyncClient) -> Document:
    found: Document = (await client.get("/openapi.json")).json()
    return found


def operation_in(document: Document, operation: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][PATHS[operation]]["post"]
    return found


def parameters_in(document: Document, operation: str) -> dict[str, Any]:
    """The schemas of all parameters of a body."""
    (content,) = operation_in(document, operation)["requestBody"]["content"].values()
    schema = content["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert schema["additionalProperties"] is False
    found: dict[str, Any] = schema["properties"]
    return found


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_answers_are_as_documented(desk: Desk, document: Document, operation: str) -> None:
    async def check(response: httpx.Response) -> None:
        answer = operation_in(document, operation)["responses"][str(response.status_code)]
        assert set(answer["headers"]) - {"Retry-After"} <= {name.title() for name in response.headers}
        schema = answer["content"]["application/json"]["schema"] | {"components": document["components"]}
        Draft202012Validator(schema).validate(response.json())

    await check((await desk.send(operation))[0])
    await check((await desk.send(operation, response_format="url"))[0])
    await check(await desk.call(operation, size="1x1"))
    await check(await desk.call(operation, model="gpt-image-2"))
    assert "422" not in operation_in(document, operation)["responses"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_parameter_is_described(document: Document, operation: str) -> None:
    parameters = parameters_in(document, operation)
    for name, schema in parameters.items():
        assert schema["description"], name
        assert "examples" in schema or schema["format"] == "binary", name
    assert (operation == GENERATIONS) == ("image" not in parameters)
    for name in REFUSED.keys() & parameters.keys():
        assert schema_refuses(parameters[name]), name


def schema_refuses(schema: dict[str, Any]) -> bool:
    """Whether a parameter is said to be known, and not to be taken."""
    return bool(schema["type"] == "null" and schema["description"].startswith("Refused: "))


def test_streams_are_documented(document: Document) -> None:
    for operation in (GENERATIONS, EDITS):
        content = operation_in(document, operation)["responses"]["200"]["content"]
        assert set(content) == {"application/json", "text/event-stream"}
