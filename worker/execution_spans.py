"""One execution in a trace: what the parent sees itself, and what the child says of when it did what.

The child sends no spans, as it knows no network: with each image it says when the phases of its making began and ended.
"""

import time
from contextlib import AbstractContextManager

from opentelemetry.trace import set_span_in_context

from contract.costs import num_rows
from contract.job import Job
from contract.leases import Lease
from contract.tracing import Span, SpanKind, Tracer, Value, failed, nanoseconds, span_of, trace_of
from worker.messages import Phase


class ExecutionSpans:
    """The span of an execution, under that of the call which the job comes from, and what is below it."""

    def __init__(self, tracer: Tracer, job: Job, lease: Lease) -> None:
        """Begins, with what was waited for before."""
        request = job.request
        said: dict[str, Value] = {
            "safelight.job_id": job.id,
            "safelight.model": request.model,
            "safelight.attempt": job.attempt,
        }
        context = trace_of(job.origin.traceparent)
        if job.attempt == 1:
            queued = tracer.start_span("queue", context, attributes=said, start_time=nanoseconds(job.created_at))
            queued.end()
        work: dict[str, Value] = {
            "safelight.execution_id": lease.execution_id,
            "safelight.num_images": request.num_images,
            "safelight.num_steps": request.num_steps,
            "safelight.num_rows": num_rows(request),
        }
        self._tracer = tracer
        self._span = tracer.start_span("execution", context, SpanKind.CONSUMER, {**said, **work})
        self._context = set_span_in_context(self._span)

    def image(self, index: int, phases: tuple[Phase, ...]) -> None:
        """What the child has said of one image."""
        for name, began_at, ended_at in phases:
            said = {"safelight.index": index}
            span = self._tracer.start_span(name, self._context, attributes=said, start_time=nanoseconds(began_at))
            span.end(nanoseconds(max(began_at, ended_at)))

    def during(self, name: str) -> AbstractContextManager[Span]:
        """A span for as long as this lasts."""
        return span_of(self._tracer, name, self._context)

    def end(self, outcome: str, error_code: str | None = None) -> None:
        """The execution is over; said again, it changes nothing."""
        if self._span.is_recording():
            self._span.set_attribute("safelight.outcome", outcome)
            if error_code is not None:
                failed(self._span, error_code)
            self._span.end(nanoseconds(time.time()))
