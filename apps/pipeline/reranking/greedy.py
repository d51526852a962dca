"""The compiled loop of diversity: chooses one by one, keeping each one's likeness to the nearest already
chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled


@compiled(*columns("f4", "f4:2", "f4:2"), "float64", "int64", *columns("=i4"))
def greedy_order(relevance: Any, directions: Any, common: Any, share: float, steps: int, chosen: Any) -> None:
    """Writes a permutation of 0..n-1 into `chosen`: `steps` greedy choices, the rest in their old order."""
    n = len(relevance)
    taken = np.zeros(n, np.uint8)
    nearest = np.zeros(n, np.float32)
    for step in range(steps):
        best, highest = -1, -1e30
        for i in range(n):
            value = (1.0 - share) * relevance[i] - share * nearest[i]
            if not taken[i] and value > highest:
                best, highest = i, value
        chosen[step] = best
        taken[best] = 1
        for i in range(n):
            cosine = np.float32(0.0)
            for k in range(directions.shape[1]):
                cosine += directions[best, k] * directions[i, k]
            likeness = (max(cosine, np.float32(0.0)) + common[best, i]) / np.float32(2.0)
            nearest[i] = max(nearest[i], likeness)
    place = steps
    for i in range(n):
        if not taken[i]:
            chosen[place] = i
            place += 1
