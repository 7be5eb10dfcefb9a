"""Which parameters /openapi.json declares for an operation: the query, headers, and what a body has in it."""

from collections.abc import Iterator
from typing import Any

from app.dialects import ROUTERS
from tests.dialects.compatibility import NONE

Schema = dict[str, Any]


def operations(document: Schema) -> dict[str, Schema]:
    """Every operation, named as "GET /v1/models"."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def dialects_operations() -> set[str]:
    """The names of the operations of all dialects."""
    return {
        f"{method} {route.path_format}"  # type: ignore[attr-defined]
        for router in ROUTERS
        for route in router.routes
        if route.include_in_schema  # type: ignore[attr-defined]
        for method in route.methods  # type: ignore[attr-defined]
    }


def parameters(document: Schema, operation: Schema) -> dict[str, set[str]]:
    """Each parameter by its name, with the names of those inside of it, "outer.inner", where it is an object."""
    found = {each["name"]: set[str]() for each in operation.get("parameters", []) if each["in"] != "path"}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        for name, part in properties(document, content["schema"]):
            found[name] = {f"{name}.{inner}" for inner, _ in properties(document, part)}
    return found or {NONE: set()}


def properties(document: Schema, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The properties of an object, wherever the schema has them."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    yield from schema.get("properties", {}).items()
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from properties(document, part)


def gaps(document: Schema, dialect: set[str], shown: set[tuple[str, str]]) -> list[str]:
    """What is wrong with the marks: parameters of the dialects' operations without one, and those of nothing."""
    found = {name: parameters(document, operation) for name, operation in operations(document).items()}
    needed = {(name, each) for name in dialect for outer, inner in found[name].items() for each in inner or {outer}}
    there = {
        (name, each) for name, outers in found.items() for outer, inner in outers.items() for each in {outer, *inner}
    }
    return [
        *(f"{operation}: no test is marked with {parameter}" for operation, parameter in sorted(needed - shown)),
        *(f"{operation}: there is no {parameter}" for operation, parameter in sorted(shown - there)),
    ]
