"""The compiled loops of pairs.py. Named where they are used by Passes.

Columns of sources and of targets have one row or as many as `out`; what is written is what numpy would give,
bit for bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from apps.pipeline import sets_loop
from apps.pipeline.compiled import columns, compiled, part
from apps.pipeline.sets_loop import place_before


@part
def years(date: Any) -> Any:
    """calendar.years_of one date that is known."""
    return date // 10000 + ((date // 100 % 100) - 1) / 12.0 + ((date % 100) - 1) / 372.0


@compiled(*columns("i4", "i4", "=f4"), exact=True)
def age_gap(source: Any, target: Any, out: Any) -> None:
    """Years by which each target is older, from birth dates; 0 where one is unknown."""
    one_source, one_target = len(source) == 1, len(target) == 1
    for i in range(len(out)):
        born, other = source[0 if one_source else i], target[0 if one_target else i]
        out[i] = years(born) - years(other) if born > 0 and other > 0 else 0.0


@compiled(*columns("i2", "i2", "i2", "i2", "i2", "i2", "=f4"), exact=True)
def kilometres(
    source_market: Any, source_x: Any, source_y: Any, market: Any, x: Any, y: Any, out: Any
) -> None:
    """The distance of each pair in the plane of its market; NaN for two who have no common plane."""
    one_source, one_target = len(source_x) == 1, len(x) == 1
    for i in range(len(out)):
        a, b = 0 if one_source else i, 0 if one_target else i
        east, north = float(source_x[a] - x[b]), float(source_y[a] - y[b])
        distance = np.float32(math.sqrt(east * east + north * north)) * np.float32(0.01)
        out[i] = distance if source_market[a] == market[b] else np.float32(np.nan)


@compiled(*columns("u8", "u8", "u8:2", "=u8"), exact=True)
def complementary(source: Any, target: Any, partners: Any, out: Any) -> None:
    """Which of each target's crafts complement one of the source's. `partners`: of the crafts in each byte of
    a set, [8, 256]."""
    one_source, one_target = len(source) == 1, len(target) == 1
    for i in range(len(out)):
        crafts, needed = source[0 if one_source else i], np.uint64(0)
        for place in range(8):
            needed |= partners[place, (crafts >> np.uint64(8 * place)) & np.uint64(255)]
        out[i] = needed & target[0 if one_target else i]


@compiled(*columns("i4", "i4", "f4", "=f4"), exact=True, uses=[sets_loop])
def look_up(numbers: Any, keys: Any, values: Any, out: Any) -> None:
    """Writes `values` by sorted `keys` for each of `numbers`; 0 for a number that has none."""
    for i in range(len(numbers)):
        at = place_before(keys, numbers[i])
        known = at < len(keys) and keys[at] == numbers[i]
        out[i] = values[at] if known else np.float32(0.0)
