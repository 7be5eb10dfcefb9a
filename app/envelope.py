"""What every request gets, whatever becomes of it: an id, safe headers, a line in the log, a place in the metrics."""

import logging
import re
import time
import uuid
from contextlib import AbstractContextManager
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.error_responses import error_response, log_crash
from app.metrics import METHODS, RequestMetrics
from contract.errors import SafelightError
from contract.logs import bound
from contract.tracing import UNTRACED, Span, SpanKind, Tracer, failed, span_of, trace_id_of, trace_of

access_logger = logging.getLogger("safelight.access")

UNMATCHED = "unmatched"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")


class Envelope:
    """Promise: every request is answered in a documented shape, and no log line quotes what a client wrote in it."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, tracer: Tracer = UNTRACED) -> None:
        self._app = app
        self._metrics = metrics
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI call."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        given = Headers(scope=scope)
        request_id = _request_id(given.get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        with self._span(given.get("traceparent")) as span, bound(request_id=request_id, trace_id=trace_id_of(span)):
            try:
                await self._app(scope, receive, answer.send)
            except ClientDisconnect:
                pass
            except Exception as error:
                log_crash(error, request_id)
                scope["state"]["error_code"] = SafelightError.code
                if not answer.status:
                    await error_response(SafelightError(""), request_id)(scope, receive, answer.send)
            finally:
                self._record(scope, answer, span)

    def _span(self, traceparent: str | None) -> AbstractContextManager[Span]:
        return span_of(self._tracer, "HTTP", trace_of(traceparent), SpanKind.SERVER)

    def _record(self, scope: Scope, answer: "_Answer", span: Span) -> None:
        if not answer.status:
            return
        route = getattr(scope.get("route"), "path", UNMATCHED)
        code = scope["state"].get("error_code")
        self._metrics.observe(route, scope["method"], answer.status, answer.began_after_seconds, code)
        path = UNMATCHED if route == UNMATCHED else quote(scope["path"])
        said = {"method": quote(scope["method"]), "path": path, "status": answer.status}
        seconds = round(answer.seconds, 4)
        _describe(span, said["method"], route, answer.status, code)
        access_logger.info("%s %s %d %.1f ms", *said.values(), seconds * 1000, extra={**said, "seconds": seconds})


def _describe(span: Span, method: object, route: str, status: int, code: str | None) -> None:
    """What a span says of a request: nothing that its client could invent."""
    span.update_name(f"{method if method in METHODS else 'HTTP'} {route}")
    span.set_attributes({"http.route": route, "http.response.status_code": status})
    if status >= 500:
        failed(span, code or str(status))


class _Answer:
    """Sends an answer on, and remembers its status and how long it took to begin."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self._started = time.monotonic()
        self.status = 0
        self.began_after_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return time.monotonic() - self._started

    async def send(self, message: Message) -> None:
        """Adds the headers that every answer has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.began_after_seconds = self.seconds
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            headers["X-Content-Type-Options"] = "nosniff"
        await self._send(message)


def _request_id(given: str | None) -> str:
    return given if given is not None and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
