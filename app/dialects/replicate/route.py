"""How errors are told to Replicate's clients, and how their bodies name the files that they have sent."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.dialects.route import DialectRoute, Refusal
from app.json_bodies import JSONRequest
from contract.file_ids import FILE_ID
from contract.inputs import ARTIFACT_ID


class ReplicateRoute(DialectRoute):
    """A route whose errors are problem details, as Replicate's SDK reads them.

    Source: RFC 9457; replicate-python, `replicate/exceptions.py`, which reads `type`, `title`, `detail`, `instance`.
    """

    @staticmethod
    def refuse(refusal: Refusal) -> Response:
        """The problem; `invalid_fields` names what in the request is to blame, where something is."""
        return JSONResponse(problem_of(refusal), refusal.status, refusal.headers)


class PredictionRoute(ReplicateRoute):
    """A route whose body may name files by the addresses that this API gave them."""

    async def read(self, request: Request) -> JSONRequest:
        """The request with its body parsed; an address of ours in `input` is the id in it by now."""
        judged = await super().read(request)
        parsed = await judged.json()
        if isinstance(parsed, dict) and "input" in parsed:
            base = str(request.base_url).rstrip("/")
            parsed = parsed | {"input": _named_by_ids(parsed["input"], _address(base))}
        return JSONRequest(judged, await judged.body(), parsed)


def problem_of(refusal: Refusal) -> dict[str, Any]:
    """An error as a problem."""
    problem = {
        "type": "about:blank",
        "title": refusal.reason,
        "status": refusal.status,
        "detail": refusal.message,
        "code": refusal.code,
        "request_id": refusal.request_id,
    }
    if refusal.field is not None:
        problem["invalid_fields"] = [{"type": refusal.code, "field": refusal.field, "description": refusal.message}]
    return problem


def _address(base: str) -> re.Pattern[str]:
    files, artifacts = rf"files/({FILE_ID.pattern})(?:/content)?", rf"artifacts/({ARTIFACT_ID.pattern})"
    return re.compile(rf"{re.escape(base)}/v1/(?:{files}|{artifacts})")


def _named_by_ids(value: Any, address: re.Pattern[str]) -> Any:
    match value:
        case str():
            found = address.fullmatch(value)
            return value if found is None else found[1] or found[2]
        case list():
            return [_named_by_ids(part, address) for part in value]
        case dict():
            return {name: _named_by_ids(part, address) for name, part in value.items()}
    return value
