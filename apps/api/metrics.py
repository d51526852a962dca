"""Counters of calls, by name and status. Kept plain: one increment and one sum a request.

With PROMETHEUS_MULTIPROC_DIR set, `exposition` adds up every process of the server, else tells of this.
"""

from __future__ import annotations

import os
import time
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REQUESTS = Counter("raya_recs_requests", "Answered calls", ["call", "status"])
SECONDS = Counter("raya_recs_request_seconds", "Time spent on calls", ["call"])
EVENTS = Counter("raya_recs_events", "Events by what became of them", ["status"])


def count_request(call: str, status: int, started: float) -> None:
    """`started` is of time.perf_counter()."""
    REQUESTS.labels(call, str(status)).inc()
    SECONDS.labels(call).inc(time.perf_counter() - started)


def count_events(statuses: list[str]) -> None:
    for status in set(statuses):
        EVENTS.labels(status).inc(statuses.count(status))


def exposition() -> tuple[bytes, str]:
    """The text and its content type."""
    registry: Any = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
