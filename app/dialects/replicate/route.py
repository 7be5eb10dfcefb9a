"""How errors are told to Replicate's clients, and how their bodies name the files that they have sent."""

import re
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.dialects.route import DialectRoute, Refusal
from app.json_bodies import JSONRequest
from contract.file_ids import FILE_ID
from contract.inputs import ARTIFACT_ID

MAX_DEPTH = 3
"""An input names no file further inside than `control`, a list of objects, does."""


class InvalidField(BaseModel):
    """A part of the request that is to blame."""

    type: str = Field(description="What is wrong with it, in a word.", examples=["limit_exceeded"])
    field: str = Field(description="Where it is.", examples=["input.num_inference_steps"])
    description: str = Field(
        description="What is wrong with it, for people.",
        examples=["num_inference_steps is 500, and the model allows at most 150."],
    )


class Problem(BaseModel):
    """An error, as Replicate's clients read it."""

    type: Literal["about:blank"] = Field(
        default="about:blank", description="Always this: `code` says which error it is.", examples=["about:blank"]
    )
    title: str = Field(description="The status in words.", examples=["Unprocessable Entity"])
    status: int = Field(description="The status.", examples=[422])
    detail: str = Field(
        description="What went wrong, for people.",
        examples=["num_inference_steps is 500, and the model allows at most 150."],
    )
    code: str = Field(description="What went wrong, in a word that does not change.", examples=["limit_exceeded"])
    request_id: str = Field(
        description="The request's id, which is in `X-Request-Id` and in the log too.",
        examples=["4fd1c36a0a3b4ef39e9f3f8a3f1c2d5e"],
    )
    invalid_fields: list[InvalidField] | None = Field(
        default=None, description="What in the request is to blame, where something is.", examples=[None]
    )

    @classmethod
    def of(cls, refusal: Refusal) -> "Problem":
        """What a refusal says."""
        blamed = None
        if refusal.field is not None:
            blamed = [InvalidField(type=refusal.code, field=refusal.field, description=refusal.message)]
        return cls(
            title=refusal.reason,
            status=refusal.status,
            detail=refusal.message,
            code=refusal.code,
            request_id=refusal.request_id,
            invalid_fields=blamed,
        )


class NameConvertor(PathConvertor):
    """What follows an owner in a path: one with a line break in it is a name that nothing has, and not another path."""

    regex = "(?s:.*)"


register_url_convertor("name", NameConvertor())


class ReplicateRoute(DialectRoute):
    """A route whose errors are problem details, as Replicate's SDK reads them.

    Source: RFC 9457; replicate-python, `replicate/exceptions.py`, which reads `type`, `title`, `detail`, `instance`.
    """

    error_shape = Problem

    @staticmethod
    def refuse(refusal: Refusal) -> Response:
        """The problem."""
        problem = Problem.of(refusal).model_dump(exclude_none=True)
        return JSONResponse(problem, refusal.status, refusal.headers)


class PredictionRoute(ReplicateRoute):
    """A route whose body may name files by the addresses that this API gave them."""

    async def read(self, request: Request) -> JSONRequest:
        """The request with its body parsed; an address of ours in `input` is the id in it by now."""
        judged = await super().read(request)
        parsed = await judged.json()
        if isinstance(parsed, dict) and "input" in parsed:
            base = str(request.base_url).rstrip("/")
            parsed = parsed | {"input": _named_by_ids(parsed["input"], _address(base), MAX_DEPTH)}
        return JSONRequest(judged, await judged.body(), parsed)


def _address(base: str) -> re.Pattern[str]:
    files, artifacts = rf"files/({FILE_ID.pattern})(?:/content)?", rf"artifacts/({ARTIFACT_ID.pattern})"
    return re.compile(rf"{re.escape(base)}/v1/(?:{files}|{artifacts})")


def _named_by_ids(value: Any, address: re.Pattern[str], depth: int) -> Any:
    match value:
        case str() if found := address.fullmatch(value):
            return found[1] or found[2]
        case list() if depth:
            return [_named_by_ids(part, address, depth - 1) for part in value]
        case dict() if depth:
            return {name: _named_by_ids(part, address, depth - 1) for name, part in value.items()}
    return value
