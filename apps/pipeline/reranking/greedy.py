"""The compiled loop of diversity: chooses one by one, keeping each one's likeness to the nearest already
chosen. Named where it is used by Passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline import bits_loop
from apps.pipeline.bits_loop import count
from apps.pipeline.compiled import columns, compiled, part

NOTHING = np.float32(0.0)


@part
def relevance(score: Any) -> Any:
    """Scores [n] scaled to 0..1; all alike: 0."""
    scaled, low, high = np.zeros(len(score), np.float32), score.min(), score.max()
    for i in range(len(score) if high > low else 0):
        scaled[i] = (score[i] - low) / (high - low)
    return scaled


@part
def directions(looks: Any) -> Any:
    """Embeddings [n, d] scaled to length 1, as [d, n]; one of zeros stays zero, like nobody. No number: 0."""
    n, d = looks.shape
    units, squares = np.empty((d, n), np.float32), np.zeros(n, np.float32)
    for k in range(d):
        for i in range(n):
            units[k, i] = looks[i, k] if np.isfinite(looks[i, k]) else NOTHING
            squares[i] += units[k, i] * units[k, i]
    lengths = np.maximum(np.sqrt(squares), np.float32(1e-12))
    for k in range(d):
        for i in range(n):
            units[k, i] /= lengths[i]
    return units


@part
def tell_cosines(one: int, units: Any, cosines: Any) -> None:
    """Writes the cosine of one and of each: axis by axis, so that the machine takes several at once."""
    cosines[:] = 0
    for k in range(len(units)):
        mine = units[k, one]
        for i in range(len(cosines)):
            cosines[i] += mine * units[k, i]


@part
def tell_common(one: int, sets: Any, labels: Any, both: Any) -> None:
    """Writes how many bits one and each have in common; a label that both have is one more."""
    both[:] = 0
    for k in range(len(sets)):
        mine = sets[k, one]
        for i in range(len(both)):
            both[i] += count(mine & sets[k, i])
    for i in range(len(labels)):
        both[i] += labels[i] == labels[one]


@compiled(*columns("f4", "f4:2", "u8:2", "u1"), "float64", "int64", *columns("=i8"), uses=[bits_loop])
def greedy_order(
    score: Any, looks: Any, sets: Any, labels: Any, share: float, steps: int, chosen: Any
) -> None:
    """Writes a permutation of 0..n-1 into `chosen`: `steps` greedy choices, the rest in their old order.

    `sets` [k, n]: attributes as bits. `labels` [n]: one more attribute that everybody has; [0]: nobody.
    """
    n = len(score)
    relevant, units = relevance(score), directions(looks)
    taken, nearest, cosines = np.zeros(n, np.uint8), np.zeros(n, np.float32), np.empty(n, np.float32)
    both, has = np.empty(n, np.int32), np.full(n, np.int32(len(labels) > 0))
    for k in range(len(sets)):
        for i in range(n):
            has[i] += count(sets[k, i])
    for step in range(steps):
        best, highest = -1, -1e30
        for i in range(n):
            value = (1.0 - share) * relevant[i] - share * nearest[i]
            if not taken[i] and value > highest:
                best, highest = i, value
        chosen[step] = best
        taken[best] = 1
        tell_cosines(best, units, cosines)
        tell_common(best, sets, labels, both)
        for i in range(n):
            common = np.float32(both[i]) / np.float32(
                max(np.int32(has[best] + has[i] - both[i]), np.int32(1))
            )
            nearest[i] = max(nearest[i], (max(cosines[i], NOTHING) + common) / np.float32(2.0))
    place = steps
    for i in range(n):
        if not taken[i]:
            chosen[place] = i
            place += 1
