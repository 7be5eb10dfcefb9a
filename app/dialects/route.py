"""A route whose errors are answered, and documented, in the shape that the clients of its dialect expect."""

from abc import abstractmethod
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.error_responses import descriptions, detail_of, log_concealed, log_crash, status_of, validation_error
from app.errors import headers_of
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


class DialectRoute(JSONRoute):
    """A JSON route that answers every error, ours or unforeseen, in the words of its dialect; each dialect says how."""

    error_shape: ClassVar[type[BaseModel]]
    """The body of its errors, for OpenAPI."""

    @staticmethod
    @abstractmethod
    def refuse(refusal: Refusal) -> Response:
        """The answer that this dialect's clients understand."""

    @classmethod
    def status_of(cls, kind: type[SafelightError]) -> int:
        """The status of an error in this dialect; where it says nothing else, that of the one table of answers."""
        return status_of(kind)

    @classmethod
    def documented(cls, *kinds: type[SafelightError]) -> dict[int | str, dict[str, Any]]:
        """What an operation of this dialect says in OpenAPI about the errors that it may answer with."""
        by_status = descriptions((SafelightError, *kinds), cls.status_of)
        return {status: {"description": text, "model": cls.error_shape} for status, text in by_status.items()}

    @classmethod
    def refusal(cls, error: SafelightError, request_id: str) -> Refusal:
        """What this dialect's clients may hear of an error."""
        detail = detail_of(error, request_id)
        return Refusal(
            status=cls.status_of(type(error)),
            code=detail.code,
            message=detail.message,
            field=detail.field,
            retryable=error.retryable,
            request_id=request_id,
            headers=headers_of(error),
        )

    @classmethod
    def answer(cls, raised: Exception, request_id: str) -> Response:
        """The answer to whatever was raised; what clients do not hear of it is in the log."""
        return cls.refuse(cls.refusal(ours(raised, request_id), request_id))

    def get_route_handler(self) -> Handler:
        """FastAPI's handler; what it raises never leaves this dialect."""
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except ClientDisconnect:
                raise
            except Exception as raised:
                error = ours(raised, request.state.request_id)
                request.state.error_code = error.code
                return self.refuse(self.refusal(error, request.state.request_id))

        return answered


def ours(raised: Exception, request_id: str) -> SafelightError:
    """Whatever was raised, as an error of the tree; what clients do not hear of it is in the log."""
    match raised:
        case RequestValidationError():
            return validation_error(raised)
        case SafelightError():
            log_concealed(raised, request_id)
            return raised
    log_crash(raised, request_id)
    return SafelightError("")
