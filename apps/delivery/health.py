"""How requests fare under each release: answers, errors, how full, how fast. Counted here, summed in Valkey.

A web process counts in plain dictionaries and adds what is new to Valkey every second. Takes a request's end;
gives, to the watcher of a rollout, sums per release over the last minutes. Losing a second of counts is
harmless.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import redis

BOUNDS_MS = (5, 10, 20, 35, 50, 75, 100, 150, 250, 400, 600, 1000, 2500, 5000)
MINUTE = 60
KEPT_SECONDS = 3600


@dataclass(frozen=True)
class Health:
    """One release over the minutes asked for."""

    answers: int = 0
    errors: int = 0
    shown: int = 0
    wanted: int = 0
    slow: tuple[int, ...] = (0,) * (len(BOUNDS_MS) + 1)  # answers by bucket of milliseconds

    @property
    def error_rate(self) -> float:
        asked = self.answers + self.errors
        return self.errors / asked if asked else 0.0

    @property
    def fill(self) -> float:
        return self.shown / self.wanted if self.wanted else 1.0

    @property
    def p99_ms(self) -> float:
        """The bound of the bucket in which the slowest hundredth begins."""
        seen, wanted = 0, 0.99 * sum(self.slow)
        for bound, count in zip((*BOUNDS_MS, 10_000), self.slow, strict=True):
            seen += count
            if seen >= wanted:
                return float(bound)
        return 0.0


class Counts:
    """What this process counted since it last told Valkey."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, str]] = Counter()
        self._lock = threading.Lock()

    def answered(self, release: int, *, shown: int, wanted: int, ms: float) -> None:
        bucket = next((i for i, bound in enumerate(BOUNDS_MS) if ms <= bound), len(BOUNDS_MS))
        with self._lock:
            counts = self._counts
            counts[release, "answers"] += 1
            counts[release, "shown"] += shown
            counts[release, "wanted"] += wanted
            counts[release, f"b{bucket}"] += 1

    def failed(self, release: int) -> None:
        with self._lock:
            self._counts[release, "errors"] += 1

    def flush(self, client: redis.Redis, now: float) -> None:
        """Adds everything to this minute's sums. What can't be told is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            pipe = client.pipeline(transaction=False)
            for (release, name), count in counts.items():
                pipe.hincrby(_key(release, int(now // MINUTE)), name, count)
            for release in {release for release, _ in counts}:
                pipe.expire(_key(release, int(now // MINUTE)), KEPT_SECONDS)
            pipe.execute()
        except redis.RedisError:
            with self._lock:
                self._counts.update(counts)
            raise


counts = Counts()


def health_of(client: redis.Redis, release: int, *, since: float, now: float) -> Health:
    """The sums of the minutes that began at `since` or later. Raises RedisError."""
    first = -int(-since // MINUTE)
    sums: Counter[str] = Counter()
    for minute in range(max(first, int(now // MINUTE) - KEPT_SECONDS // MINUTE), int(now // MINUTE) + 1):
        found = cast("Mapping[bytes, bytes]", client.hgetall(_key(release, minute)))
        sums.update({name.decode(): int(value) for name, value in found.items()})
    slow = tuple(sums[f"b{i}"] for i in range(len(BOUNDS_MS) + 1))
    given: dict[str, Any] = {name: sums[name] for name in ("answers", "errors", "shown", "wanted")}
    return Health(slow=slow, **given)


def _key(release: int, minute: int) -> str:
    return f"o:health:{release}:{minute}"
