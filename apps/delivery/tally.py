"""What one list adds to the counters: traffic, errors, time, CPU, fill, what is missing and why.

Made when a request starts, told its end. Counts of a surface and market are looked up once per process.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from apps.common import metrics


class Tally:
    """One request's. `market` is set once it is known."""

    def __init__(self, surface: str) -> None:
        self.surface = surface
        self.market = metrics.NO_MARKET
        self._started = time.perf_counter()
        self._cpu = time.thread_time()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    def answered(self, answer: Mapping[str, Any], *, wanted: int) -> None:
        counts, shown = _counts(self.surface, self.market), len(answer["items"])
        counts["lists"].inc()
        counts["seconds"].observe(self.seconds)
        counts["cpu"].inc(time.thread_time() - self._cpu)
        counts["wanted"].inc(wanted)
        counts["shown"].inc(shown)
        if not shown:
            counts["empty"].inc()
        for reason in answer["shortfall"]["reasons"]:
            metrics.SHORT.labels(self.surface, reason).inc()
        for reason in answer["degraded"]:
            metrics.DEGRADED.labels(self.surface, reason).inc()

    def failed(self) -> None:
        metrics.LIST_ERRORS.labels(self.surface, self.market).inc()


@cache
def _counts(surface: str, market: str) -> dict[str, Any]:
    """By what is counted. Both labels are bounded: surfaces are rows, markets see market_label."""
    named = {
        "lists": metrics.LISTS,
        "seconds": metrics.LIST_SECONDS,
        "cpu": metrics.LIST_CPU,
        "wanted": metrics.WANTED,
        "shown": metrics.SHOWN,
        "empty": metrics.EMPTY,
    }
    return {name: metric.labels(surface, market) for name, metric in named.items()}
