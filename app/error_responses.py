"""The one shape of every error, and the handlers that turn whatever is raised into it."""

import logging
import traceback
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.errors import ANSWERS, MethodNotAllowed, UnknownPath, headers_of
from contract.errors import InvalidRequest, SafelightError

logger = logging.getLogger("safelight.app")

MAX_FIELD_LENGTH = 200
MAX_MESSAGE_LENGTH = 600


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str = Field(description="What went wrong, in a word that does not change.", examples=["limit_exceeded"])
    message: str = Field(
        description="What went wrong, for people.",
        examples=["num_inference_steps is 500, and the model allows at most 150."],
    )
    field: str | None = Field(
        description="The part of the request that is to blame: a dotted path in the body, a query parameter, a header.",
        examples=["num_inference_steps"],
    )
    request_id: str = Field(
        description="The request's id, which is in `X-Request-Id` and in the log too.",
        examples=["4fd1c36a0a3b4ef39e9f3f8a3f1c2d5e"],
    )


class ErrorResponse(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorDetail = Field(
        description="What went wrong, and where.",
        examples=[
            {
                "code": "limit_exceeded",
                "message": "num_inference_steps is 500, and the model allows at most 150.",
                "field": "num_inference_steps",
                "request_id": "4fd1c36a0a3b4ef39e9f3f8a3f1c2d5e",
            }
        ],
    )


def status_of(kind: type[SafelightError]) -> int:
    """The status of an error."""
    return ANSWERS[kind].status


def descriptions(
    kinds: Iterable[type[SafelightError]], status_of: Callable[[type[SafelightError]], int] = status_of
) -> dict[int, str]:
    """What there is to say of errors in OpenAPI, by status."""
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(status_of(kind), []).append(f"`{kind.code}`: {kind.__doc__}")
    return {status: "\n\n".join(lines) for status, lines in by_status.items()}


def documented(*kinds: type[SafelightError]) -> dict[int | str, dict[str, Any]]:
    """What an operation says in OpenAPI about the errors that it may answer with."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}}
    return {status: {"description": text, "content": content} for status, text in descriptions(kinds).items()}


def detail_of(error: SafelightError, request_id: str) -> ErrorDetail:
    """What clients may hear of an error."""
    return ErrorDetail(
        code=error.code,
        message=_clipped(ANSWERS[type(error)].message or error.message, MAX_MESSAGE_LENGTH),
        field=None if error.field is None else _clipped(error.field, MAX_FIELD_LENGTH),
        request_id=request_id,
    )


def error_response(error: SafelightError, request_id: str) -> Response:
    """An error in the one shape."""
    body = ErrorResponse(error=detail_of(error, request_id))
    return JSONResponse(body.model_dump(), ANSWERS[type(error)].status, headers_of(error))


def log_concealed(error: SafelightError, request_id: str) -> None:
    """A line in the log for an error whose own words are not for clients."""
    if ANSWERS[type(error)].message is not None:
        logger.warning("%s in request %s: %s", error.code, request_id, error.message)


def log_crash(error: Exception, request_id: str) -> None:
    """Where a fault happened, and not the error's own words: they may quote a prompt."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s in request %s\n%s", type(error).__name__, request_id, frames)


async def answer_error(request: Request, error: Exception) -> Response:
    """The handler of the error tree."""
    assert isinstance(error, SafelightError)
    log_concealed(error, request.state.request_id)
    request.state.error_code = error.code
    return error_response(error, request.state.request_id)


async def answer_validation_error(request: Request, error: Exception) -> Response:
    """The handler of what FastAPI finds wrong with a request."""
    assert isinstance(error, RequestValidationError)
    return await answer_error(request, validation_error(error))


def as_in_a_body(error: ValidationError) -> RequestValidationError:
    """What pydantic finds wrong with a model, as FastAPI says it of a body."""
    return RequestValidationError([{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()])


def validation_error(error: RequestValidationError) -> InvalidRequest:
    """The first thing that FastAPI finds wrong with a request, as an error of ours."""
    return _invalid(error.errors()[0])


def http_error_handler(
    allowed_methods: Callable[[str], set[str]],
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The handler of what the router raises: a path that nobody serves, or a method that it does not have."""

    async def answer_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if error.status_code == 405:
            message = f"This path does not take {request.method[:20]}."
            return await answer_error(request, MethodNotAllowed(message, allowed=allowed_methods(path)))
        if error.status_code == 404:
            return await answer_error(request, UnknownPath("Nothing is here; GET / lists what there is."))
        return await answer_error(request, InvalidRequest(error.detail))

    return answer_http_error


def _invalid(problem: dict[str, Any]) -> InvalidRequest:
    where, *path = problem["loc"]
    if where == "body" and path and path[-1] == "[key]":
        path.pop()
    for name in ("guidance", "intervene"):
        if where == "body" and name in path:
            start = path.index(name)
            path = path[:start] + _without_kinds(path[start:])
    field = ".".join(str(part) for part in path) or None
    name = field or f"the {where}"
    match problem["type"]:
        case "missing":
            return InvalidRequest(f"{name} is required.", field=field)
        case "extra_forbidden":
            return InvalidRequest(f"There is no field {name!r}.", field=field)
    return InvalidRequest(f"{name}: {problem['msg']}.", field=field)


def _without_kinds(path: list[str | int]) -> list[str | int]:
    """A path into guidance or interventions less what pydantic puts in: whether it is a list, and of which kind."""
    match path:
        case ["intervene", int(index), _, *inside]:
            return ["intervene", index, *inside]
        case [name, "list", int(index), _, *inside]:
            return [name, index, *inside]
        case [name, "list", *inside] | [name, "object", _, *inside] | [name, "object", *inside]:
            return [name, *inside]
    return path


def _clipped(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
