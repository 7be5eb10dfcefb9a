"""Errors under paths where clients of several dialects meet: in our own shape, with what the others read beside it."""

from starlette.responses import JSONResponse, Response

from app.dialects.replicate.route import Problem
from app.dialects.route import DialectRoute, Refusal
from app.error_responses import ErrorDetail, ErrorResponse


class SharedRoute(DialectRoute):
    """A route under such a path. OpenAI's clients read our own shape; Replicate's read `title`, `status`, `detail`."""

    error_shape = ErrorResponse

    @staticmethod
    def refuse(refusal: Refusal) -> Response:
        """The error for all of them."""
        ours = ErrorResponse(
            error=ErrorDetail(
                code=refusal.code, message=refusal.message, field=refusal.field, request_id=refusal.request_id
            )
        )
        theirs = Problem.of(refusal).model_dump(include={"title", "status", "detail"})
        return JSONResponse(ours.model_dump() | theirs, refusal.status, refusal.headers)
