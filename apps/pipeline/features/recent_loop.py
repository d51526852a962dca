"""The compiled loops of recent.py. Named where they are used by Passes.

Signals are by number, the last entry standing for everybody beyond (see apps.pipeline.signals).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled


@compiled(*columns("u1", "i4"), "int64", *columns("=f4"), exact=True)
def inbox_load(unread: Any, numbers: Any, full: int, out: Any) -> None:
    """Writes whole quarters of a full inbox, at most 1."""
    last = len(unread) - 1
    for i in range(len(out)):
        quarters = 4 * np.int64(unread[min(numbers[i], last)]) // full
        out[i] = 1.0 if quarters > 4 else quarters / 4.0


@compiled(*columns("u1", "i4", "i4"), "int64", "int64", *columns("=i4", "=u1", "=u1"), returns="int64")
def tell_crowd(
    unread: Any, active: Any, numbers: Any, hour: int, away: int, known: Any, likes: Any, hours: Any
) -> int:
    """Writes those of `numbers` of whom something is known, with their unread likes, and the hours since they
    were active, at most `away`; returns how many they are."""
    n = 0
    for number in numbers:
        waiting = unread[min(number, len(unread) - 1)]
        since = min(max(hour - active[min(number, len(active) - 1)], 0), away)
        if waiting > 0 or since < away:
            known[n], likes[n], hours[n] = number, waiting, since
            n += 1
    return n


@compiled(*columns("i4", "i4", "i4"), "int64", *columns("=f4"), exact=True)
def presence(live: Any, numbers: Any, known: Any, before: int, out: Any) -> None:
    """Writes 1 for whoever was active after the hour `before`, by what is live or known; else 0."""
    last = len(live) - 1
    for i in range(len(out)):
        out[i] = max(live[min(numbers[i], last)], known[i]) > before
