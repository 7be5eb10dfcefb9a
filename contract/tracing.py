"""Spans, in OpenTelemetry's words: where they go, and how a trace travels with a job.

Nothing here is global: who makes spans is handed a tracer. Nothing that a client has written is in a span but ids that
look like ids, and no span records an exception's words.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from threading import Thread
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contract.errors import SafelightError

__all__ = ["Span", "SpanKind", "Tracer"]

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Without one of these there are no spans. Headers, timeouts, sampling and more are said by the other `OTEL_…`."""

FAREWELL_SECONDS = 1.0
"""So long the last spans of a process that ends may take."""

UNTRACED = NoOpTracer()
"""Makes spans that nobody sees."""

Value = str | int | float

_FORMAT = TraceContextTextMapPropagator()


class NoExporterError(Exception):
    """A collector is named, and what would send to it is not installed."""


class Tracing(NamedTuple):
    """A tracer, and how it is closed, which is for who ends without coming back."""

    tracer: Tracer
    close: Callable[[], None]


@contextmanager
def tracing(service_name: str) -> Iterator[Tracing]:
    """A tracer whose spans are sent to the collector that the environment names. Raises: NoExporterError."""
    if not any(os.environ.get(name) for name in ENDPOINTS):
        yield Tracing(UNTRACED, lambda: None)
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise NoExporterError("OTEL_EXPORTER_OTLP_ENDPOINT is set; install the extra `tracing` to serve it.") from error
    name = os.environ.get("OTEL_SERVICE_NAME") or service_name
    provider = TracerProvider(resource=Resource.create({"service.name": name}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))

    def close() -> None:
        # The library waits for a collector that is away for much longer, whatever it is told.
        ending = Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(FAREWELL_SECONDS)

    try:
        yield Tracing(provider.get_tracer("safelight"), close)
    finally:
        close()


def trace_of(traceparent: str | None) -> Context:
    """What spans of a trace are put under; a text that is no `traceparent` begins a trace of its own."""
    return _FORMAT.extract({"traceparent": traceparent or ""}, context=Context())


def traceparent_of(span: Span) -> str | None:
    """How a span is named to others; None where nobody sees it."""
    carrier: dict[str, str] = {}
    _FORMAT.inject(carrier, context=set_span_in_context(span, Context()))
    return carrier.get("traceparent")


def trace_id_of(span: Span) -> str | None:
    """The trace's id, for the log; None where nobody sees the span."""
    context = span.get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def nanoseconds(at: datetime | float) -> int:
    """A time as spans have it."""
    return int((at.timestamp() if isinstance(at, datetime) else at) * 1e9)


def failed(span: Span, code: str) -> None:
    """Says that what a span is about went wrong, by the stable code of the error."""
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR))


@contextmanager
def span_of(
    tracer: Tracer,
    name: str,
    context: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Value] | None = None,
) -> Iterator[Span]:
    """A span for as long as this lasts; an exception is known by its class alone, or by its code."""
    with tracer.start_as_current_span(
        name, context, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            failed(span, error.code if isinstance(error, SafelightError) else type(error).__name__)
            raise
