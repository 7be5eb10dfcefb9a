"""What the OpenAPI document says of every operation alike."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.auth import scope_of
from app.error_responses import ErrorResponse, documented
from app.errors import Forbidden, Unauthenticated
from app.forms import never_null
from contract.errors import SafelightError
from contract.keys import Scope
from contract.trace_document import TraceDocument

DESCRIPTION = """\
Latent diffusion as a durable job service: POST a prompt, get a job, then poll it, wait for it, or follow its events.

Times are RFC 3339 in UTC. Every answer has an `X-Request-Id`; one that comes with the request is kept. Every error has
the same shape, `{"error": {"code", "message", "field", "request_id"}}`.

Where there are API keys, every call but those for health and documentation needs one, and sees what belongs to its
tenant; while there are none, everybody may do everything.
"""

REQUEST_ID = {"description": "The request's id.", "schema": {"type": "string"}, "example": "4fd1c36a0a3b4ef39e9f"}
CHALLENGE = {"description": "How to send a key.", "schema": {"type": "string"}, "example": 'Bearer realm="Safelight"'}
RETRY_AFTER = {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}, "example": 2}

SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, as `Authorization: Bearer <key>`; `Token` and `Key` are understood for `Bearer`. "
        "Its scopes are `read`, `generate` and `admin`.",
    },
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The same key as the password; the user name is free.",
    },
}

SIGNATURE = {
    "type": "apiKey",
    "in": "query",
    "name": "signature",
    "description": "A signed address, with `tenant`, `expires` and `key`, as jobs have them for their pictures. One "
    "that was tampered with, or whose time is over, is answered like an id that nothing has.",
}
SIGNED = ("/v1/artifacts/{artifact_id}", "get")


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, with the headers that every answer has."""
    if app.openapi_schema is None:
        document = get_openapi(
            title="Safelight",
            version=app.version,
            description=DESCRIPTION,
            routes=app.routes,
            webhooks=app.webhooks.routes,
            tags=app.openapi_tags,
        )
        _give_errors_our_shape(document)
        _describe_traces(document)
        document["components"]["securitySchemes"] = SECURITY_SCHEMES | {"signature": SIGNATURE}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                for parameter in operation.get("parameters", ()):
                    parameter["schema"] = never_null(parameter["schema"])
                _guard(operation, scope_of(path, method))
                _add_headers(operation["responses"])
        document["paths"][SIGNED[0]][SIGNED[1]]["security"].append({"signature": []})
        app.openapi_schema = document
    return app.openapi_schema


UNEXPECTED = documented(SafelightError)
REFUSED = {str(status): answer for status, answer in documented(Unauthenticated, Forbidden).items()}


def _guard(operation: dict[str, Any], scope: Scope | None) -> None:
    """Which key an operation wants, and what it says without, in the shape of its other errors."""
    if scope is not None:
        operation["security"] = [{name: [scope]} for name in SECURITY_SCHEMES]
        shape = operation["responses"]["500"]["content"]
        refused = {status: deepcopy(answer | {"content": shape}) for status, answer in REFUSED.items()}
        operation["responses"] |= refused


def _add_headers(responses: dict[str, dict[str, Any]]) -> None:
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        headers["X-Request-Id"] = REQUEST_ID
        if status in ("429", "503"):
            headers["Retry-After"] = RETRY_AFTER
        if status == "401":
            headers["WWW-Authenticate"] = CHALLENGE


def _give_errors_our_shape(document: dict[str, Any]) -> None:
    """FastAPI says that every operation with a parameter has a 422 in a shape of its own."""
    schemas = document["components"]["schemas"]
    schemas.update(_schemas_of(ErrorResponse))
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operation in (*_operations(document), *_operations(document, "webhooks")):
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]


def _describe_traces(document: dict[str, Any]) -> None:
    """What the JSON among the files of a trace says."""
    document["components"]["schemas"].update(_schemas_of(TraceDocument))
    content = document["paths"][SIGNED[0]][SIGNED[1]]["responses"]["200"]["content"]
    content["application/json"] = {"schema": {"$ref": "#/components/schemas/TraceDocument"}}


def _schemas_of(model: type[BaseModel]) -> dict[str, Any]:
    _, found = models_json_schema([(model, "serialization")], ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def _operations(document: dict[str, Any], what: Literal["paths", "webhooks"] = "paths") -> Iterator[dict[str, Any]]:
    for path in document[what].values():
        yield from path.values()
