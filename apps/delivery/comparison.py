"""How much lists and exposure differ: pure numbers over two sets of lists.

Takes lists of ids, gives figures. It knows neither members nor releases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PERSISTENCE = 0.9  # of rank-biased overlap: the first ten places carry 86 % of it


def rank_biased_overlap(one: Sequence[Any], other: Sequence[Any], p: float = PERSISTENCE) -> float:
    """How alike two rankings are, from 0 to 1, the top counting most: RBO_ext of Webber, Moffat and Zobel
    (2010, equation 32). Two empty lists are alike."""
    short, long = sorted((list(one), list(other)), key=len)
    s, n = len(short), len(long)
    if n == 0:
        return 1.0
    if s == 0:
        return 0.0
    in_short: set[Any] = set()
    in_long: set[Any] = set()
    overlap, overlap_at_s, total = 0, 0, 0.0
    for depth in range(1, n + 1):
        added = [long[depth - 1]] + ([short[depth - 1]] if depth <= s else [])
        in_long.add(added[0])
        if depth <= s:
            in_short.add(added[1])
        overlap = len(in_short & in_long)
        if depth == s:
            overlap_at_s = overlap
        total += overlap / depth * p**depth
        if depth > s:
            total += overlap_at_s * (depth - s) / (s * depth) * p**depth
    return (1 - p) / p * total + ((overlap - overlap_at_s) / n + overlap_at_s / s) * p**n


def gini(counts: Iterable[float]) -> float:
    """How unevenly exposure falls: 0 all alike, 1 one takes everything. Of nobody: 0."""
    values = sorted(counts)
    total, n = sum(values), len(values)
    if not n or total <= 0:
        return 0.0
    return 2 * sum(i * value for i, value in enumerate(values, 1)) / (n * total) - (n + 1) / n


def ginis(one: Mapping[Any, float], other: Mapping[Any, float]) -> tuple[float, float]:
    """Of two sets of lists, over everybody whom either shows: whoever one leaves out counts there with 0."""
    everybody = one.keys() | other.keys()
    first, second = (gini(side.get(who, 0) for who in everybody) for side in (one, other))
    return first, second


def exposure(lists: Iterable[Sequence[Any]]) -> Counter[Any]:
    """How often each was shown."""
    return Counter(one for shown in lists for one in shown)


def histogram(values: Iterable[float], bins: int = 10) -> list[int]:
    """How many of the values, from 0 to 1, fall into each of equal bins."""
    counts = [0] * bins
    for value in values:
        counts[min(int(value * bins), bins - 1)] += 1
    return counts
