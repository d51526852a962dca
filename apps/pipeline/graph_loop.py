"""The compiled loop of graph.py: whom two steps come to."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline import sets_loop
from apps.pipeline.compiled import columns, compiled, new_arrays
from apps.pipeline.sets_loop import place_in

MIX = 0x9E3779B1  # 2^32 divided by the golden ratio: spreads numbers that follow each other


@compiled(
    *columns("i4", "offset", "i4"), "int64", *columns("i4", "i4"), "int64", *columns("f8"),
    returns=new_arrays("i4", "f4", "f4"), uses=[sets_loop],
)  # fmt: skip
def two_steps(
    numbers: Any, offsets: Any, targets: Any, number: int, gone: Any, untied: Any, most: int, worths: Any
) -> tuple[Any, Any, Any]:
    """Who is two steps from a number, ascending and each once, without itself: over how many neighbours, and
    the sum of worths[degree] of those, in the order of the walk.

    It steps over the first `most` neighbours by number, less those of `gone` and of `untied` (both sorted).
    """
    row = place_in(numbers, number)
    near = np.sort(targets[offsets[row] : offsets[row + 1]]) if row >= 0 else np.empty(0, np.int32)
    over, n, paths = np.empty(len(near), np.int64), 0, 0
    for neighbour in near[:most]:
        is_left_out = place_in(gone, neighbour) >= 0 or place_in(untied, neighbour) >= 0
        row = -1 if is_left_out else place_in(numbers, neighbour)
        if row >= 0:
            over[n], n, paths = row, n + 1, paths + offsets[row + 1] - offsets[row]
    found, times, total = np.empty(paths, np.int32), np.zeros(paths, np.int64), np.zeros(paths, np.float64)
    size = 1
    while size < 2 * paths:
        size *= 2
    slots, met = np.full(size, -1, np.int64), 0
    for i in range(n):
        start, stop = offsets[over[i]], offsets[over[i] + 1]
        for k in range(start, stop):
            target = targets[k]
            if target == number:
                continue
            slot = (np.int64(target) * MIX >> 7) & (size - 1)
            while slots[slot] >= 0 and found[slots[slot]] != target:
                slot = (slot + 1) & (size - 1)
            if slots[slot] < 0:
                slots[slot], found[met] = met, target
                met += 1
            times[slots[slot]] += 1
            total[slots[slot]] += worths[stop - start]
    order = np.argsort(found[:met])
    return found[order], times[order].astype(np.float32), total[order].astype(np.float32)
