"""What stays as it is until something begins, ends or is switched off, worked out once for all who ask.

Takes the moments at which things begin and end (seconds since 1970-01-01 UTC); reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Generic, TypeVar

T = TypeVar("T")


class OfMoment(Generic[T]):
    """Keeps what `make(now, switched_off)` gave for the last moment that was asked about."""

    def __init__(self, moments: Iterable[float], make: Callable[[float, frozenset[str]], T]) -> None:
        self._moments, self._make = tuple(moments), make
        self._last: tuple[float, float, frozenset[str], T] | None = None  # from, to before, switched off

    def at(self, now: float, switched_off: frozenset[str]) -> T:
        """What holds now."""
        last = self._last
        if last is None or not last[0] <= now < last[1] or last[2] != switched_off:
            since = max((moment for moment in self._moments if moment <= now), default=-inf)
            until = min((moment for moment in self._moments if moment > now), default=inf)
            last = self._last = (since, until, switched_off, self._make(now, switched_off))
        return last[3]
