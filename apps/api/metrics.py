"""Calls and events as they are answered, and the text for Prometheus with the counts of every process."""

from __future__ import annotations

import os
import struct
import time
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from apps.common.metrics import EVENTS, REQUESTS, SECONDS
from apps.common.metrics_folder import VARIABLE, forget_the_dead

TRIES = 20

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
    return _text_of(registry), CONTENT_TYPE_LATEST


def _text_of(registry: CollectorRegistry) -> bytes:
    """A worker that begins makes its files empty, and writes to each a moment later: then once more."""
    for _ in range(TRIES):
        try:
            return generate_latest(registry)
        except struct.error:
            time.sleep(0.01)
    return generate_latest(registry)
