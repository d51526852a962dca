"""Spans for OpenTelemetry, by option. Off, as by default, a span is one look at a name.

Takes names of calls and steps and ids, never what a member said. `begin()` is called once in a process that
serves, and needs requirements/tracing.txt where an endpoint is named.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

NOTHING: AbstractContextManager[Any] = nullcontext()
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_tracers: dict[str, Any] = {}


def begin(service: str, exporter: Any = None) -> bool:
    """Traces from now on, if the environment names an endpoint or an exporter is given; whether it does.

    Sampling, headers and batching are the variables of OpenTelemetry's own (OTEL_TRACES_SAMPLER, ...). Raises
    ImportError when the packages are missing.
    """
    if exporter is None and not any(os.environ.get(name) for name in ENDPOINTS):
        return False
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    else:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    _tracers["only"] = provider.get_tracer("raya_recs")
    return True


def end() -> None:
    """No more spans. For tests."""
    _tracers.clear()


def span(name: str, **ids: str | int) -> AbstractContextManager[Any]:
    """A step, inside whatever span this thread is in. Exceptions mark it, unquoted."""
    if not _tracers:
        return NOTHING
    return _quiet(name, dict(ids))


def call_span(name: str, meta: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """A call of the API; continues the caller's trace when the request names one (traceparent)."""
    if not _tracers:
        return NOTHING
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    carrier = {"traceparent": meta["HTTP_TRACEPARENT"]} if "HTTP_TRACEPARENT" in meta else {}
    return _quiet(name, {"call": name}, context=extract(carrier), kind=SpanKind.SERVER)


def _quiet(name: str, ids: dict[str, Any], **more: Any) -> AbstractContextManager[Any]:
    """OpenTelemetry would store an exception's message and stack; they may quote members."""
    started: AbstractContextManager[Any] = _tracers["only"].start_as_current_span(
        name, attributes=ids, record_exception=False, set_status_on_exception=False, **more
    )
    return started
