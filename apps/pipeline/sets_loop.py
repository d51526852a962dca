"""What compiled passes ask of sorted numbers, as sets.py asks of columns. Whoever calls this `uses` it."""

from __future__ import annotations

from typing import Any

from apps.pipeline.compiled import part


@part
def place_before(ordered: Any, number: int) -> int:
    """The first place among sorted numbers that holds none below this one; their count where all are."""
    first, after = 0, len(ordered)
    while first < after:
        middle = (first + after) >> 1
        if ordered[middle] < number:
            first = middle + 1
        else:
            after = middle
    return first


@part
def place_in(ordered: Any, number: int) -> int:
    """Where a number stands among sorted ones; -1 where it does not."""
    at = place_before(ordered, number)
    return at if at < len(ordered) and ordered[at] == number else -1
