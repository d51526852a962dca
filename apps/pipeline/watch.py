"""What each source takes of one request, and when one has had its time.

Holds a clock that whoever asks brings along: the pipeline has none. What is measured changes a list in one
way alone: a source that is stopped proposes nobody. That stands in the trace, and a replay leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf


class OutOfTime(Exception):
    """A source had its time, and was stopped between two of its steps."""


class Watch:
    """One request's. `clock`: seconds of any clock that never goes back; it is read twice per source."""

    __slots__ = ("_began", "_clock", "_ends", "asked", "failed")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began, self._ends = 0.0, inf
        self.asked: list[str] = []  # the sources, in order
        self.failed: dict[str, str] = {}  # those of them that raised or took too long: raised, stopped, late

    def begin(self, source: str, budget: float) -> None:
        """The source is asked now. `budget`: ms that it may take; 0: as long as it likes."""
        self.asked.append(source)
        self._began = self._clock()
        self._ends = self._began + budget / 1000 if budget > 0 else inf

    def check(self) -> None:
        """Between two steps of a source. Raises OutOfTime when its time is over."""
        if self._clock() > self._ends:
            raise OutOfTime

    def end(self) -> tuple[float, bool]:
        """The ms that the source took, in whole microseconds, and whether that was too long."""
        now = self._clock()
        return int(1e6 * (now - self._began) + 0.5) / 1000, now > self._ends
