"""Spans by option: nothing without it, names and ids with it, the caller's trace continued."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from apps.common import spans

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def told() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    assert spans.begin("test", exporter)
    yield exporter
    spans.end()


def test_off_by_default_and_then_every_span_is_the_same_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in spans.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert not spans.begin("test")
    assert spans.span("rank", delivery="d") is spans.call_span("recommendations", {}) is spans.NOTHING


def test_a_step_is_inside_its_call_and_the_call_inside_the_callers_trace(told: InMemorySpanExporter) -> None:
    meta = {"HTTP_TRACEPARENT": f"00-{TRACE}-b7ad6b7169203331-01", "QUERY_STRING": "member=ada"}
    with spans.call_span("recommendations", meta), spans.span("rank", release=3):
        pass
    step, call = told.get_finished_spans()
    assert (step.name, dict(step.attributes or {})) == ("rank", {"release": 3})
    assert (call.name, dict(call.attributes or {})) == ("recommendations", {"call": "recommendations"})
    assert step.parent is not None
    assert step.parent.span_id == call.context.span_id
    assert f"{call.context.trace_id:032x}" == TRACE


def test_what_an_exception_says_is_not_in_a_span(told: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="canary"), spans.span("rank"):
        raise ValueError("canary")
    (step,) = told.get_finished_spans()
    assert "canary" not in step.to_json()
