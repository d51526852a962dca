"""The compiled loop that exchanges places of a list for entries from below it. Named where it is used by
Passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled


@compiled(
    *columns("i8", "f4"), "int64", *columns("i8", "i8", "i8", "i8"), "float64", "float64", "float64",
    *columns("=i8", "=f4"),
)  # fmt: skip
def exchange(
    positions: Any, propensity: Any, shown: int, places: Any, chosen: Any, open_to: Any, below: Any,
    stays: float, comes: float, stays_below: float, new_positions: Any, new_propensity: Any,
) -> None:  # fmt: skip
    """Writes the list anew: the shown, then those whom entry chosen[i] displaced at places[i], then the rest.

    See order.exchanged.
    """
    n = len(positions)
    left, now = np.ones(n, np.uint8), propensity.copy()
    for place in open_to:
        now[place] = stays
    for entry in below:
        now[entry] = stays_below
    new_positions[:shown] = positions[:shown]
    new_propensity[:shown] = now[:shown]
    at = shown
    for i in range(len(places)):
        left[chosen[i]] = 0
        new_positions[at], new_propensity[at] = positions[places[i]], 1.0 - stays
        new_positions[places[i]], new_propensity[places[i]] = positions[chosen[i]], comes
        at += 1
    for entry in range(shown, n):
        if left[entry]:
            new_positions[at], new_propensity[at] = positions[entry], now[entry]
            at += 1
