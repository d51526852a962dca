"""The compiled loops that find what may be said of each candidate. Named where they are used by Passes.

A reason is a number of BITS bits: ARGUMENTS times one more than its place in reasons.IN_ORDER, plus
its argument (a bit, a count, a place in reasons.DISTANCES, or 0). Taste comes after the last. What is said of
one candidate is one number: the first reason in the lowest bits, 0 where there is no more.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from apps.pipeline import sets_loop
from apps.pipeline.compiled import columns, compiled, part
from apps.pipeline.sets_loop import place_in

BITS = 21
ARGUMENTS = 1 << 17
MOST = 3  # reasons of one candidate
NONE = -1  # no argument: it isn't said
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
    at = place_in(numbers, number)
    if at < 0 or counts[at] < least:
        return NONE
    return min(int(counts[at]), ARGUMENTS - 1)


@part
def nearness(east: int, north: int, distances: Any) -> int:
    """The first of these kilometres that holds somebody so far away, in units of 10 m; NONE further away."""
    apart = np.float32(math.hypot(np.float32(east), np.float32(north))) * np.float32(0.01)
    for place in range(len(distances)):
        if apart <= distances[place]:
            return place
    return NONE


@part
def first_of(arguments: Any) -> int:
    """What is said: the first of those that there are; 0: nothing."""
    told, said = 0, 0
    for place in range(len(arguments)):
        if arguments[place] != NONE and said < MOST:
            told |= ((place + 1) * ARGUMENTS + arguments[place]) << (BITS * said)
            said += 1
    return told


@part
def fits(taste: Any, looks: Any, row: int) -> bool:
    """Whether somebody is to the viewer's taste rather than not."""
    product = np.float32(0.0)
    for k in range(taste.shape[1]):
        product += taste[0, k] * looks[row, k]
    return bool(product > 0)


@compiled(
    *columns("=i8", "i8", "u8", "i4", "f4"), "int64", "int64", "int64", "int64", *columns("f4", "f4:2"),
    *columns("i4", "i2", "i2", "i2", "i4", "u8", "u8", "u8", "u8", "f4:2"),
    uses=[sets_loop],
)  # fmt: skip
def tell_members(
    told: Any, rows: Any, wanted: Any, mutual: Any, counts: Any, since: int, home: int, x: int, y: int,
    distances: Any, taste: Any, numbers: Any, markets: Any, xs: Any, ys: Any, joined: Any, crafts: Any,
    interests: Any, industries: Any, skills: Any, looks: Any,
) -> None:  # fmt: skip
    """Writes what is said of each of these rows into `told`.

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
        told[i] = first_of(arguments)
        if told[i] == 0 and fits(taste, looks, row):
            told[i] = (len(arguments) + 1) * ARGUMENTS


@compiled(
    *columns("=i8", "i8"), "int64", *columns("i4", "f4"), *["int64"] * 4, *columns("f4", "f4:2"),
    *columns("i4", "i2", "i2", "i2", "u1", "f4", "u2", "f4:2"),
    uses=[sets_loop],
)  # fmt: skip
def tell_places(
    told: Any, rows: Any, categories: int, saved: Any, counts: Any, months: int, home: int, x: int, y: int,
    distances: Any, taste: Any, numbers: Any, markets: Any, xs: Any, ys: Any, category: Any, curated: Any,
    best_months: Any, looks: Any,
) -> None:  # fmt: skip
    """The same of places. `categories`: how many have a name. `saved`: sorted numbers, with `counts`.
    `months`: in which the viewer is there, as bits."""
    for i in range(len(rows)):
        row = rows[i]
        listed, named, near, best = NONE, NONE, NONE, NONE
        if int(best_months[row]) & months != 0:
            best = 0
        if curated[row] > 0:
            listed = 0
        if category[row] < categories:
            named = int(category[row])
        if markets[row] == home:
            near = nearness(x - xs[row], y - ys[row], distances)
        arguments = (count_of(numbers[row], saved, counts, 2), listed, best, named, near)
        told[i] = first_of(arguments)
        if told[i] == 0 and fits(taste, looks, row):
            told[i] = (len(arguments) + 1) * ARGUMENTS
