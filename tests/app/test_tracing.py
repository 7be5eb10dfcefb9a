"""Spans of API processes: they arrive although the process ends, and hold nobody up where nobody collects them."""

import time

import pytest

from contract.tracing import UNTRACED, trace_id_of, trace_of, traceparent_of, tracing
from tests.app.conftest import StartApi
from tests.collector import collecting
from tests.s3_stores import free_port

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.usefixtures("store_url")
async def test_what_was_not_sent_yet_is_sent_at_the_end(start: StartApi, monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        api = start()
        async with api.client() as client:
            for headers in ({"traceparent": CALLER}, {"traceparent": "nonsense"}, {}):
                await client.get("/v1/jobs/job_1?q=canary-words", headers=headers)
            await client.get("/canary-words")
        assert collector.spans == []
        api.stop()
        spans = [span for span in collector.spans if "healthz" not in span.name]
    assert [span.name for span in spans] == ["GET /v1/jobs/{job_id}"] * 3 + ["GET unmatched"]
    assert [span.parent_id for span in spans] == ["b7ad6b7169203331", "", "", ""]
    assert len({span.trace_id for span in spans}) == 4
    assert {span.attributes["http.response.status_code"] for span in spans} == {404}
    assert "canary-words" not in "".join(span.text for span in spans)


async def test_a_collector_that_is_away_holds_nobody_up(start: StartApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    api = start()
    async with api.client() as client:
        assert (await client.get("/healthz")).status_code == 200
    began = time.monotonic()
    api.stop()
    assert time.monotonic() - began < 5


def test_without_a_collector_there_are_no_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    with tracing("safelight-api") as spans, spans.tracer.start_as_current_span("x", trace_of("")) as span:
        assert spans.tracer is UNTRACED
        assert (trace_id_of(span), traceparent_of(span)) == (None, None)
