"""Calls and events as they are answered, and the text for Prometheus with the counts of every process."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from apps.common.metrics import EVENTS, REQUESTS, SECONDS
from apps.common.metrics_folder import VARIABLE, forget_the_dead

_request = cache(lambda call, status: (REQUESTS.labels(call, str(status)), SECONDS.labels(call)))


def count_request(call: str, status: int, started: float) -> None:
    """`started` is of time.perf_counter()."""
    requests, seconds = _request(call, status)
    requests.inc()
    seconds.inc(time.perf_counter() - started)


def count_events(statuses: list[str]) -> None:
    for status in set(statuses):
        EVENTS.labels(status).inc(statuses.count(status))


def exposition() -> tuple[bytes, str]:
    """The text and its content type."""
    registry: Any = REGISTRY
    if folder := os.environ.get(VARIABLE):
        forget_the_dead(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
