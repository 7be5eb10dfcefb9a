"""Whoever collects spans: OTLP over HTTP on loopback, taken as a collector takes it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Collected:
    """One span, as it came."""

    process: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began_at: float
    ended_at: float
    attributes: dict[str, object]
    has_failed: bool
    text: str


@dataclass
class Collector:
    """What has come so far."""

    url: str = ""
    spans: list[Collected] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    def of(self, trace_id: str) -> dict[str, Collected]:
        """The spans of a trace, by name."""
        return {span.name: span for span in self.spans if span.trace_id == trace_id}

    def take(self, path: str, body: bytes) -> None:
        """One export."""
        self.paths.add(path)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            process = next(
                pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name"
            )
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                values = {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}
                self.spans.append(
                    Collected(
                        process=process,
                        name=span.name,
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent_id=span.parent_span_id.hex(),
                        began_at=span.start_time_unix_nano / 1e9,
                        ended_at=span.end_time_unix_nano / 1e9,
                        attributes=values,
                        has_failed=span.status.code == 2,
                        text=str(span),
                    )
                )


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, for as long as this lasts."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield collector
        server.shutdown()
        serving.join()
