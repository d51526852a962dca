"""The compiled loops of pairs.py. Named where they are used by Passes.

Columns of sources and of targets have one row or as many as `out`; what is written is what numpy would give,
bit for bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from apps.pipeline import bits_loop, sets_loop
from apps.pipeline.bits_loop import count
from apps.pipeline.compiled import columns, compiled, part
from apps.pipeline.sets_loop import place_before


@part
def years(date: Any) -> Any:
    """calendar.years_of one date that is known."""
    return date // 10000 + ((date // 100 % 100) - 1) / 12.0 + ((date % 100) - 1) / 372.0


@part
def gap(born: int, other: int) -> Any:
    """Years by which the other is older; 0 where a birth date is unknown."""
    return np.float32(years(born) - years(other) if born > 0 and other > 0 else 0.0)


@part
def apart(here: int, x: int, y: int, there: int, other_x: int, other_y: int) -> Any:
    """The kilometres between two in the plane of a market both are in; NaN for two who have none."""
    if here != there:
        return np.float32(np.nan)
    east, north = float(x - other_x), float(y - other_y)
    return np.float32(math.sqrt(east * east + north * north)) * np.float32(0.01)


@part
def completing(crafts: Any, partners: Any) -> Any:
    """The crafts that complement one of a set. `partners`: of the crafts in each byte of a set, [8, 256]."""
    needed = np.uint64(0)
    for place in range(8):
        needed |= partners[place, (crafts >> np.uint64(8 * place)) & np.uint64(255)]
    return needed


@compiled(*columns("i4", "i4", "=f4"), exact=True)
def age_gap(source: Any, target: Any, out: Any) -> None:
    """Years by which each target is older, from birth dates; 0 where one is unknown."""
    one_source, one_target = len(source) == 1, len(target) == 1
    for i in range(len(out)):
        born, other = source[0 if one_source else i], target[0 if one_target else i]
        out[i] = gap(born, other)


@compiled(*columns("i2", "i2", "i2", "i2", "i2", "i2", "=f4"), exact=True)
def kilometres(
    source_market: Any, source_x: Any, source_y: Any, market: Any, x: Any, y: Any, out: Any
) -> None:
    """The distance of each pair in the plane of its market; NaN for two who have no common plane."""
    one_source, one_target = len(source_x) == 1, len(x) == 1
    for i in range(len(out)):
        a, b = 0 if one_source else i, 0 if one_target else i
        out[i] = apart(source_market[a], source_x[a], source_y[a], market[b], x[b], y[b])


@compiled(*columns("u8", "u8", "u8:2", "=u8"), exact=True)
def complementary(source: Any, target: Any, partners: Any, out: Any) -> None:
    """Which of each target's crafts complement one of the source's. `partners`: see completing."""
    one_source, one_target = len(source) == 1, len(target) == 1
    for i in range(len(out)):
        out[i] = completing(source[0 if one_source else i], partners) & target[0 if one_target else i]


PROFILE = columns("i4", "i2", "i2", "i2", "u8", "u8", "u8", "u8")  # as pairs.PROFILE


@compiled(*PROFILE, *PROFILE, *columns("u8:2", "=f4:2"), exact=True, uses=[bits_loop])
def profiles(
    born: Any, market: Any, x: Any, y: Any, interests: Any, skills: Any, industries: Any, crafts: Any,
    their_born: Any, their_market: Any, their_x: Any, their_y: Any, their_interests: Any, their_skills: Any,
    their_industries: Any, their_crafts: Any, partners: Any, out: Any,
) -> None:  # fmt: skip
    """Writes what both profiles of each pair say, one row each: the age gap in decades and its square; the
    distance; how many interests and skills they share; whether an industry; how many crafts of the target
    complete the source's, and the other way round."""
    one_source, one_target = len(born) == 1, len(their_born) == 1
    for i in range(out.shape[1]):
        a, b = 0 if one_source else i, 0 if one_target else i
        decades = gap(born[a], their_born[b]) / np.float32(10.0)
        out[0, i], out[1, i] = decades, decades * decades
        out[2, i] = apart(market[a], x[a], y[a], their_market[b], their_x[b], their_y[b])
        out[3, i] = count(interests[a] & their_interests[b])
        out[4, i] = count(skills[a] & their_skills[b])
        out[5, i] = industries[a] & their_industries[b] != 0
        out[6, i] = count(completing(crafts[a], partners) & their_crafts[b])
        out[7, i] = count(completing(their_crafts[b], partners) & crafts[a])


@compiled(*columns("i4", "i4", "f4", "=f4"), exact=True, uses=[sets_loop])
def look_up(numbers: Any, keys: Any, values: Any, out: Any) -> None:
    """Writes `values` by sorted `keys` for each of `numbers`; 0 for a number that has none."""
    for i in range(len(numbers)):
        at = place_before(keys, numbers[i])
        known = at < len(keys) and keys[at] == numbers[i]
        out[i] = values[at] if known else np.float32(0.0)
