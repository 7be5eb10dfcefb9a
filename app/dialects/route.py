"""A route whose errors are answered in the shape that the clients of its dialect expect."""

from abc import abstractmethod
from http import HTTPStatus
from typing import NamedTuple

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from app.error_responses import detail_of, log_concealed, validation_error
from app.errors import ANSWERS, headers_of
from app.json_bodies import Handler, JSONRoute
from contract.errors import SafelightError


class Refusal(NamedTuple):
    """An error as clients may hear of it, before a dialect gives it a shape."""

    status: int
    code: str
    message: str
    field: str | None
    retryable: bool
    request_id: str
    headers: dict[str, str]

    @property
    def reason(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase

    @classmethod
    def of(cls, error: SafelightError, request_id: str) -> "Refusal":
        """What the one table of answers says of an error."""
        detail = detail_of(error, request_id)
        return cls(
            status=ANSWERS[type(error)].status,
            code=detail.code,
            message=detail.message,
            field=detail.field,
            retryable=error.retryable,
            request_id=request_id,
            headers=headers_of(error),
        )


class DialectRoute(JSONRoute):
    """A JSON route that answers every error of ours in the words of its dialect; each dialect says how."""

    @staticmethod
    @abstractmethod
    def refuse(refusal: Refusal) -> Response:
        """The answer that this dialect's clients understand."""

    def get_route_handler(self) -> Handler:
        """FastAPI's handler; what it raises never leaves this dialect."""
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as invalid:
                error: SafelightError = validation_error(invalid)
            except SafelightError as refused:
                error = refused
            log_concealed(error, request.state.request_id)
            return self.refuse(Refusal.of(error, request.state.request_id))

        return answered
