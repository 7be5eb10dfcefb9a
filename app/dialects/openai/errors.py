"""Errors as OpenAI's clients read them: their shape, their statuses, and which parameter is to blame."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from app.dialects.route import DialectRoute, Refusal
from contract.errors import SafelightError

PARAMETERS: Mapping[str, str] = MappingProxyType(
    {"height": "size", "width": "size", "num_images": "n", "output_quality": "output_compression"}
)
"""What OpenAI calls a field of ours; where nothing is said, both have one name."""

TYPES: Mapping[int, str] = MappingProxyType(
    {401: "authentication_error", 403: "permission_error", 409: "conflict_error", 429: "rate_limit_error"}
)
"""The kinds of errors by status; other statuses from 500 on are the server's fault, and those below the request's."""


HEADERS: dict[str, Any] = {
    "X-Should-Retry": {
        "description": "Whether the same call may succeed later.",
        "schema": {"type": "string", "enum": ["true", "false"]},
        "example": "false",
    }
}


class OpenAIError(BaseModel):
    """What went wrong."""

    message: str = Field(
        description="What went wrong, for people.", examples=["safelight-emoji draws 64 to 256 pixels a side."]
    )
    type: str = Field(description="Whose fault it is.", examples=["invalid_request_error"])
    param: str | None = Field(description="The parameter that is to blame, where one is.", examples=["size"])
    code: str = Field(description="What went wrong, in a word that does not change.", examples=["limit_exceeded"])


class OpenAIErrorResponse(BaseModel):
    """The body of every answer of this dialect that is an error, and the last frame of a stream that breaks off."""

    error: OpenAIError = Field(
        description="What went wrong, and where.",
        examples=[
            {
                "message": "safelight-emoji draws 64 to 256 pixels a side.",
                "type": "invalid_request_error",
                "param": "size",
                "code": "limit_exceeded",
            }
        ],
    )

    @classmethod
    def of(cls, refusal: Refusal) -> "OpenAIErrorResponse":
        """An error in OpenAI's words."""
        return cls(
            error=OpenAIError(
                message=refusal.message,
                type=TYPES.get(refusal.status, "server_error" if refusal.status >= 500 else "invalid_request_error"),
                param=None if refusal.field is None else PARAMETERS.get(refusal.field, refusal.field),
                code=refusal.code,
            )
        )


class OpenAIRoute(DialectRoute):
    """A route of this dialect. Its clients know 400 for what is 422 elsewhere, and are told whether to try again."""

    error_shape = OpenAIErrorResponse

    @staticmethod
    def refuse(refusal: Refusal) -> Response:
        """The error, with `x-should-retry`: without it, clients try again whatever the status makes them think."""
        headers = refusal.headers | {"x-should-retry": "true" if refusal.retryable else "false"}
        return JSONResponse(OpenAIErrorResponse.of(refusal).model_dump(), refusal.status, headers)

    @classmethod
    def documented(cls, *kinds: type[SafelightError]) -> dict[int | str, dict[str, Any]]:
        """The errors of an operation, with the header that all of them have."""
        return {status: answer | {"headers": HEADERS} for status, answer in super().documented(*kinds).items()}

    @classmethod
    def status_of(cls, kind: type[SafelightError]) -> int:
        """The status of an error."""
        status = super().status_of(kind)
        return 400 if status == 422 else status
