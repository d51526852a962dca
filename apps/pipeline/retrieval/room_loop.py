"""The compiled loop that picks who stays when the sources propose more than there is room for. Named where it
is used by Passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline import sets_loop
from apps.pipeline.compiled import columns, compiled
from apps.pipeline.sets_loop import place_in


@compiled(
    *columns("i8", "i8", "f8", "i8", "i8", "u4"), "uint32", "int64", *columns("i4", "i4", "i4", "=i8", "=i8"),
    returns="int64", uses=[sets_loop], exact=True,
)  # fmt: skip
def keep(
    positions: Any, ends: Any, divisors: Any, least: Any, merged: Any, bits: Any, always: int, room: int,
    rows: Any, numbers: Any, newcomers: Any, kept: Any, counts: Any,
) -> int:  # fmt: skip
    """Writes those of `merged` [n] (ascending positions) who stay into `kept` [n], ascending, and how many of
    each source they are into `counts` [sources]; returns how many they are. See room.py.

    `positions`: what the sources proposed, best first, one source after the other, source s up to ends[s].
    Standing is place / divisors[s]; 0: the source does not compete. Whoever has the bit `always` stays beside
    the room. The number of position i is numbers[rows[i]], after these come `newcomers`.
    """
    n, left, start = len(merged), room, 0
    stays, waiting = np.zeros(n, np.uint8), n
    standing, places = np.full(n, np.inf), np.empty(len(positions), np.int64)
    for i in range(n):
        if bits[merged[i]] & always:
            stays[i] = 1
            waiting -= 1
    is_cut = waiting > room
    for s in range(len(ends)):
        for i in range(start, ends[s]):
            at = places[i] = place_in(merged, positions[i])
            place = i - start
            if divisors[s] > 0:
                standing[at] = min(standing[at], (place + 1) / divisors[s])
            if place < least[s] and left > 0 and stays[at] == 0:
                stays[at] = 1
                left -= 1
        start = ends[s]
    if not is_cut:
        stays[:] = 1
    elif left > 0:
        those = np.flatnonzero(stays == 0)
        edge = np.partition(standing[those], left - 1)[left - 1]
        tied = those[standing[those] == edge]
        named = np.empty(len(tied), np.int64)
        for i in range(len(tied)):
            position = merged[tied[i]]
            known = position < len(rows)
            named[i] = numbers[rows[position]] if known else newcomers[position - len(rows)]
        for i in those[standing[those] < edge]:
            stays[i] = 1
            left -= 1
        for i in np.argsort(named)[:left]:
            stays[tied[i]] = 1
    many = 0
    for i in range(n):
        if stays[i]:
            kept[many] = merged[i]
            many += 1
    start = 0
    for s in range(len(ends)):
        counts[s] = 0
        for i in range(start, ends[s]):
            counts[s] += stays[places[i]]
        start = ends[s]
    return many
