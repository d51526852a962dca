"""How wide the next list's stages may run in the time that is left: the heavy ranker gives way first, then
retrieval.

One per process, asked just before a request is ranked. It knows what a list took of late from there to its
answer, as if all had run at full width, and takes the widest rung that fits what is left of the budget. It
reads no clock, and the pipeline gets the widths as values.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from apps.pipeline.params import FULL, Widths


@dataclass(frozen=True)
class Rung:
    """`share`: of the time of a list at full width that one takes here (docs/adr/0034)."""

    name: str
    widths: Widths
    share: float


LADDER = (
    Rung("full", FULL, 1.0),
    Rung("heavy_60", Widths(heavy=60), 0.90),
    Rung("heavy_0", Widths(heavy=0), 0.80),
    Rung("retrieved_200", Widths(heavy=0, retrieved=200), 0.65),
)
WIDEST = LADDER[0]
SMOOTHING = 12  # lists whose times count about alike
FORGOTTEN_SECONDS = 2.0  # without a list: what was slow then says nothing of now
MOST_BUDGETS = 4.0  # no list counts as longer than this many budgets: one hiccup narrows nothing


class Latency:
    """Chooses widths. Any thread may ask. Times are in seconds, those of moments of one steady clock."""

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self._expected = 0.0  # of a list at full width
        self._told_at = 0.0
        self._lock = threading.Lock()

    def rung(self, *, came_at: float, at: float) -> Rung:
        """The widest rung that fits what is left for a call that came at `came_at`; else the narrowest."""
        left, expected = came_at + self.budget - at, self._expected_at(at)
        for rung in LADDER:
            if expected * rung.share <= left:
                return rung
        return LADDER[-1]

    def took(self, rung: Rung, seconds: float, *, at: float) -> None:
        """A list that ran at this rung took so long from the choice to its answer."""
        sample = min(seconds / rung.share, MOST_BUDGETS * self.budget)
        with self._lock:
            before = self._expected_at(at)
            self._expected = before + (sample - before) / SMOOTHING
            self._told_at = at

    def _expected_at(self, at: float) -> float:
        return self._expected if at - self._told_at <= FORGOTTEN_SECONDS else 0.0
