"""The compiled loops that find what may be said of each candidate. Import only where they run (numba).

A reason is one number: ARGUMENTS times its place among those of reasons.IN_ORDER, plus its argument (a bit, a
count, a place in reasons.DISTANCES, or 0); NONE: there is none. Taste comes after the last.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled, part

ARGUMENTS = 1 << 24
NONE = -1
MIDDLE_X, MIDDLE_Y = 1, 1  # as pairs.MIDDLE: a constant from another file would not renew the compiled cache


@part
def lowest(bits: int) -> int:
    """The lowest bit of a set; NONE of an empty one."""
    if bits == 0:
        return NONE
    place = 0
    while (bits >> np.uint64(place)) & np.uint64(1) == 0:
        place += 1
    return place


@part
def count_of(number: int, numbers: Any, counts: Any, least: int) -> int:
    """The count of a number, by sorted numbers; NONE below `least`."""
    at = np.searchsorted(numbers, number)
    if at == len(numbers) or numbers[at] != number or counts[at] < least:
        return NONE
    return int(counts[at])


@part
def nearness(east: int, north: int, distances: Any) -> int:
    """The first of these kilometres that holds somebody so far away, in units of 10 m; NONE further away."""
    apart = np.float32(math.hypot(np.float32(east), np.float32(north))) * np.float32(0.01)
    for place in range(len(distances)):
        if apart <= distances[place]:
            return place
    return NONE


@part
def say(arguments: Any, i: int, told: Any) -> bool:
    """Writes the first of those that there are; tells whether there is one."""
    said = 0
    for code in range(len(arguments)):
        if arguments[code] != NONE and said < told.shape[1]:
            told[i, said] = code * ARGUMENTS + arguments[code]
            said += 1
    return said > 0


@part
def fits(taste: Any, looks: Any, row: int) -> bool:
    """Whether somebody is to the viewer's taste rather than not."""
    product = np.float32(0.0)
    for k in range(taste.shape[1]):
        product += taste[0, k] * looks[row, k]
    return bool(product > 0)


@compiled(
    *columns("=i4:2", "i8", "u8", "i4", "f4"), "int64", "int64", "int64", "int64", *columns("f4", "f4:2"),
    *columns("i4", "i2", "i2", "i2", "i4", "u8", "u8", "u8", "u8", "f4:2"),
)  # fmt: skip
def tell_members(
    told: Any, rows: Any, wanted: Any, mutual: Any, counts: Any, since: int, home: int, x: int, y: int,
    distances: Any, taste: Any, numbers: Any, markets: Any, xs: Any, ys: Any, joined: Any, crafts: Any,
    interests: Any, industries: Any, skills: Any, looks: Any,
) -> None:  # fmt: skip
    """Writes the first reasons of each of these rows into `told` [rows, most], which holds NONE.

    `wanted` [4]: which crafts complete the viewer's; their interests, industries and skills. `mutual`: sorted
    numbers, with `counts`. `since`: who joined on that day or later is new. `home`: the market of whose
    members it may be said how near they are; of visitors, who stand in its middle, nobody knows.
    """
    for i in range(len(rows)):
        row = rows[i]
        near, new = NONE, NONE
        if joined[row] >= since:
            new = 0
        if markets[row] == home and not (xs[row] == MIDDLE_X and ys[row] == MIDDLE_Y):
            near = nearness(x - xs[row], y - ys[row], distances)
        arguments = (
            lowest(crafts[row] & wanted[0]), count_of(numbers[row], mutual, counts, 1),
            lowest(interests[row] & wanted[1]), lowest(industries[row] & wanted[2]),
            lowest(skills[row] & wanted[3]), new, near,
        )  # fmt: skip
        if not say(arguments, i, told) and fits(taste, looks, row):
            told[i, 0] = len(arguments) * ARGUMENTS


@compiled(
    *columns("=i4:2", "i8"), "int64", *columns("i4", "f4"), "int64", "int64", "int64", *columns("f4", "f4:2"),
    *columns("i4", "i2", "i2", "i2", "u1", "f4", "f4:2"),
)  # fmt: skip
def tell_places(
    told: Any, rows: Any, categories: int, saved: Any, counts: Any, home: int, x: int, y: int, distances: Any,
    taste: Any, numbers: Any, markets: Any, xs: Any, ys: Any, category: Any, curated: Any, looks: Any,
) -> None:  # fmt: skip
    """The same of places. `categories`: how many have a name. `saved`: sorted numbers, with `counts`."""
    for i in range(len(rows)):
        row = rows[i]
        listed, named, near = NONE, NONE, NONE
        if curated[row] > 0:
            listed = 0
        if category[row] < categories:
            named = int(category[row])
        if markets[row] == home:
            near = nearness(x - xs[row], y - ys[row], distances)
        arguments = (count_of(numbers[row], saved, counts, 2), listed, named, near)
        if not say(arguments, i, told) and fits(taste, looks, row):
            told[i, 0] = len(arguments) * ARGUMENTS
