"""The compiled loops of graph.py: whom a walk steps over, and whom its second step comes to."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled, part

MIX = 0x9E3779B1  # 2^32 divided by the golden ratio: spreads numbers that follow each other


@part
def place_in(ascending: Any, value: int) -> int:
    """Where a value stands in an ascending array; -1 where it does not."""
    at = np.searchsorted(ascending, value)
    return int(at) if at < len(ascending) and ascending[at] == value else -1


@compiled(*columns("i4", "i4", "i4"), "int64", *columns("=i8"), returns="int64")
def step_over(numbers: Any, neighbours: Any, without: Any, most: int, rows: Any) -> int:
    """Writes the rows in `numbers` of the first `most` neighbours, ascending, less those of `without`.

    Both `numbers` and `without` are sorted. Returns how many rows."""
    n = 0
    for number in np.sort(neighbours)[:most]:
        row = place_in(numbers, number) if place_in(without, number) < 0 else -1
        if row >= 0:
            rows[n] = row
            n += 1
    return n


@compiled(*columns("i4", "i8", "i8"), "int64", *columns("f8", "=i4", "=f4", "=f4"), returns="int64")
def come_to(
    targets: Any, starts: Any, stops: Any, number: int, worths: Any, found: Any, counts: Any, sums: Any
) -> int:
    """Writes who stands in the spans of `targets`, ascending and each once, without `number`: how often they
    do, and the sum of worths[length] of their spans, in the order of these. Returns how many they are."""
    n, size = 0, 1
    while size < 2 * len(found):
        size *= 2
    slots, met = np.full(size, -1, np.int64), np.empty(len(found), np.int32)
    times, total = np.zeros(len(found), np.int64), np.zeros(len(found), np.float64)
    for i in range(len(starts)):
        worth = worths[stops[i] - starts[i]]
        for k in range(starts[i], stops[i]):
            target = targets[k]
            if target == number:
                continue
            slot = (np.int64(target) * MIX >> 7) & (size - 1)
            while slots[slot] >= 0 and met[slots[slot]] != target:
                slot = (slot + 1) & (size - 1)
            if slots[slot] < 0:
                slots[slot], met[n] = n, target
                n += 1
            times[slots[slot]] += 1
            total[slots[slot]] += worth
    order = np.argsort(met[:n])
    for j in range(n):
        found[j], counts[j], sums[j] = met[order[j]], times[order[j]], total[order[j]]
    return n
