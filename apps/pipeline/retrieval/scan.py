"""The compiled passes of retrieval: who is eligible, and the best of them by three keys. Named where they
are used by Passes.

Over the rows start..stop a pass skips blocks that hold nobody, judges the rest and writes the eligible rows
in order into `rows`. For each key h it gives every one of them a rank: higher for a higher key, and of equal
keys for the lower number, so that no two are equal. The `most[h]` highest are in `ranks[h]`, in no order,
with indices into `rows` in `best[h]`, both twice as long as the largest of `most`; `kept[h]` tells how many.
Keys at or below `floors[h]` do not count. Returns how many are eligible.

A loop over a vector has no fixed length, and indices are unsigned where whole blocks are judged: so both are
compiled to wide instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline import blocks as of_blocks
from apps.pipeline import vectors_loop
from apps.pipeline.compiled import columns, compiled, part, tuple_of
from apps.pipeline.filters import predicates
from apps.pipeline.filters.predicates import (
    AGE_BY_CANDIDATE,
    AGE_BY_VIEWER,
    DISTANCE_BY_CANDIDATE,
    DISTANCE_BY_VIEWER,
    GENDER_BY_CANDIDATE,
    GENDER_BY_VIEWER,
    INTENTS,
    UNITS_PER_KM,
    W_AGE_MAX,
    W_AGE_MIN,
    W_AT_HOME,
    W_BIRTH,
    W_DISTANCE,
    W_GENDER,
    W_INTENT_BITS,
    W_INTENTS,
    W_RULES,
    W_SEEKING,
    W_TODAY,
    W_X,
    W_Y,
    WHO,
    YEAR,
    member_refusals,
    place_refusals,
)  # fmt: skip
from apps.pipeline.vectors_loop import as_float

BLOCK = of_blocks.ROWS
EXPONENT = 0x7F800000
LAST_NUMBER = (1 << 31) - 1
LAST_SQUARE = (1 << 33) - 1  # no two points of a plane of int16 are further apart


@part
def block_refusals(who: Any, blocks: Any, b: int) -> int:
    """The bits of rules that refuse every row of a block, as far as its statistics tell."""
    refusals, today = 0, who[W_TODAY]
    if blocks[b, of_blocks.GENDERS] & who[W_SEEKING] == 0:
        refusals |= GENDER_BY_VIEWER
    if blocks[b, of_blocks.SEEKING] & who[W_GENDER] == 0:
        refusals |= GENDER_BY_CANDIDATE
    if blocks[b, of_blocks.INTENTS] & who[W_INTENTS] & who[W_INTENT_BITS] == 0:
        refusals |= INTENTS
    oldest, youngest = today - blocks[b, of_blocks.BORN_FIRST], today - blocks[b, of_blocks.BORN_LAST]
    if oldest < who[W_AGE_MIN] * YEAR or youngest >= (who[W_AGE_MAX] + 1) * YEAR:
        refusals |= AGE_BY_VIEWER
    lived = today - who[W_BIRTH]
    if lived < blocks[b, of_blocks.AGE_MIN] * YEAR or lived >= (blocks[b, of_blocks.AGE_MAX] + 1) * YEAR:
        refusals |= AGE_BY_CANDIDATE
    east = max(blocks[b, of_blocks.WEST] - who[W_X], who[W_X] - blocks[b, of_blocks.EAST], 0)
    north = max(blocks[b, of_blocks.SOUTH] - who[W_Y], who[W_Y] - blocks[b, of_blocks.NORTH], 0)
    apart = east * east + north * north
    mine, theirs = who[W_DISTANCE] * UNITS_PER_KM, blocks[b, of_blocks.LIMIT] * UNITS_PER_KM
    if who[W_AT_HOME] != 0:
        if mine != 0 and apart > mine * mine:
            refusals |= DISTANCE_BY_VIEWER
        if apart > theirs * theirs:
            refusals |= DISTANCE_BY_CANDIDATE
    return int(refusals & who[W_RULES])


@part
def ordered(key: float) -> Any:
    """The bits of a float32 as a number of 32 bits that grows with it; 1 where it is none."""
    bits = np.int64(np.float32(key).view(np.uint32))
    if bits & EXPONENT == EXPONENT:  # infinite or not a number
        return 1
    return 0xFFFFFFFF - bits if bits >> 31 else bits | 0x80000000


@part
def rank(key: Any, number: Any) -> Any:
    """A key of 33 bits, and after it the number, the lower the better."""
    return np.uint64(key) << np.uint64(31) | np.uint64(LAST_NUMBER - number)


@part
def cut(ranks: Any, best: Any, h: int, size: int, most: int) -> None:
    """Moves the highest `most` of the first `size` ranks to the front, the lowest of them last (Hoare's
    find)."""
    low, high = 0, size - 1
    while low < high:
        pivot = ranks[h, (low + high) >> 1]
        i, j = low, high
        while i <= j:
            while ranks[h, i] > pivot:
                i += 1
            while ranks[h, j] < pivot:
                j -= 1
            if i <= j:
                ranks[h, i], ranks[h, j] = ranks[h, j], ranks[h, i]
                best[h, i], best[h, j] = best[h, j], best[h, i]
                i, j = i + 1, j - 1
        if most - 1 <= j:
            high = j
        elif most - 1 >= i:
            low = i
        else:
            break


@part
def cut_all(ranks: Any, best: Any, most: Any, kept: Any) -> None:
    """Leaves at most as many of each key as are wanted."""
    for h in range(len(most)):
        if kept[h] > most[h]:
            cut(ranks, best, h, kept[h], most[h])
            kept[h] = most[h]


OUT = columns("f8", "i4", "=i4", "=u8:2", "=i4:2", "=i4")  # floors, most, rows, ranks, best, kept
SPAN = ("int64", "int64")


@compiled(
    WHO, *SPAN, *columns("i4:2", "u1", "i4"),
    *columns("i2", "u1", "u1", "i4", "u1", "u1", "u2", "i2", "i2", "u2"),
    *columns("i4", "i4", "f4", "f4", "f4"), *columns("vector:2", "vector:2"),
    tuple_of("float64", 3), *columns("f4", "f4"), *OUT, returns="int64",
    uses=[predicates, of_blocks, vectors_loop],
)  # fmt: skip
def scan_members(
    who: Any, start: int, stop: int, blocks: Any, marks: Any, numbers: Any,
    market: Any, gender: Any, seeking: Any, birth: Any, age_min: Any, age_max: Any, intents: Any, x: Any,
    y: Any, distance: Any, joined: Any, active: Any, selectivity: Any, appeal: Any, price: Any,
    taste: Any, looks: Any,
    terms: Any, sought_looks: Any, sought_taste: Any,
    floors: Any, most: Any, rows: Any, ranks: Any, best: Any, kept: Any,
) -> int:  # fmt: skip
    """Keys: fit, the day of joining, the hour of the last activity.

    Fit is looks . sought_looks + taste . sought_taste + (appeal, selectivity, price) . terms. `marks` are
    those of the rows start..stop; `blocks` without rows: nothing is skipped.
    """
    found, size, least = 0, len(sought_looks), np.zeros(len(most), np.uint64)
    kept[:] = 0
    refusals, fits = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.float32)
    for b in range(start // BLOCK, (stop + BLOCK - 1) // BLOCK):
        first, last = max(b * BLOCK, start), min((b + 1) * BLOCK, stop)
        if len(blocks) > 0 and block_refusals(who, blocks, b) != 0:
            continue
        base, offset = np.uintp(first), np.uintp(first - start)
        for j in range(np.uintp(last - first)):
            i = base + j
            refusals[j] = member_refusals(
                who, int(marks[offset + j]), int(market[i]), int(gender[i]), int(seeking[i]), int(birth[i]),
                int(age_min[i]), int(age_max[i]), int(intents[i]), int(x[i]), int(y[i]), int(distance[i]),
            )  # fmt: skip
        before = found
        for j in range(np.uintp(last - first)):
            rows[np.uintp(found)] = first + j
            found += refusals[j] == 0
        if most[0] > 0:
            for j in range(np.uintp(found - before)):
                i, fit = np.uintp(rows[np.uintp(before) + j]), np.float32(0.0)
                for k in range(size):
                    fit += as_float(looks[i, k]) * sought_looks[k] + as_float(taste[i, k]) * sought_taste[k]
                fits[j] = fit
        for h in range(len(most)):
            if most[h] == 0:
                continue
            for at in range(before, found):
                i = rows[at]
                if h == 0:
                    of_columns = appeal[i] * terms[0] + selectivity[i] * terms[1] + price[i] * terms[2]
                    key = ordered(fits[at - before] + of_columns)
                else:
                    key = joined[i] if h == 1 else active[i]
                    if key <= floors[h]:
                        continue
                one = rank(key, numbers[i])
                if one > least[h]:
                    ranks[h, kept[h]], best[h, kept[h]] = one, at
                    kept[h] += 1
                    if kept[h] == 2 * most[h]:
                        cut(ranks, best, h, kept[h], most[h])
                        kept[h], least[h] = most[h], ranks[h, most[h] - 1]
    cut_all(ranks, best, most, kept)
    return found


@compiled(
    WHO, *SPAN, *columns("u1", "i4"), *columns("i2", "u1", "i4", "u2"),
    *columns("i2", "i2", "f4", "f4", "f4"),
    *columns("vector:2"), tuple_of("float64", 2), *SPAN, *columns("f4"), *OUT,
    returns="int64", uses=[predicates, vectors_loop],
)  # fmt: skip
def scan_places(
    who: Any, start: int, stop: int, marks: Any, numbers: Any,
    market: Any, is_open: Any, opens_on: Any, open_months: Any, x: Any, y: Any, popularity: Any,
    curated: Any, price: Any,
    looks: Any, terms: Any, from_x: int, from_y: int, sought_looks: Any,
    floors: Any, most: Any, rows: Any, ranks: Any, best: Any, kept: Any,
) -> int:  # fmt: skip
    """Keys: nearness to a point, fit, the place on curated lists.

    Fit is looks . sought_looks + (popularity, price) . terms.
    """
    found, size, least = 0, len(sought_looks), np.zeros(len(most), np.uint64)
    kept[:] = 0
    for i in range(start, stop):
        refused = place_refusals(
            who, int(marks[i - start]), int(market[i]), int(is_open[i]), int(opens_on[i]), int(open_months[i])
        )
        if refused != 0:
            continue
        rows[found] = i
        east, north = x[i] - from_x, y[i] - from_y
        fit = np.float32(0.0)
        for k in range(size):
            fit += as_float(looks[i, k]) * sought_looks[k]
        of_columns = popularity[i] * terms[0] + price[i] * terms[1]
        for h in range(len(most)):
            if most[h] == 0 or (h == 2 and curated[i] <= floors[h]):
                continue
            if h == 0:
                key = LAST_SQUARE - (east * east + north * north)
            else:
                key = ordered(fit + of_columns) if h == 1 else ordered(curated[i])
            one = rank(key, numbers[i])
            if one > least[h]:
                ranks[h, kept[h]], best[h, kept[h]] = one, found
                kept[h] += 1
                if kept[h] == 2 * most[h]:
                    cut(ranks, best, h, kept[h], most[h])
                    kept[h], least[h] = most[h], ranks[h, most[h] - 1]
        found += 1
    cut_all(ranks, best, most, kept)
    return found
