"""The compiled predicates: one function per rule, two passes over columns. Import only where they run (numba).

`judge_*` gives the reason code of every row, 0 for an eligible one; `scan_*` gives the eligible rows alone. Both
call the same predicate. Rules and passes share this file, because its change alone renews the compiled cache.

`who` holds the viewer and the request as int64: see W_*. `marks` holds per row the code of a fact about the pair or
the row that is not in its columns (self, gone, excluded), or 0.
"""

from __future__ import annotations

from typing import Any

from apps.pipeline.compiled import columns, compiled, part

# Positions in `who`.
W_RULES, W_INTENT_BITS, W_TODAY, W_MARKET, W_AT_HOME = 0, 1, 2, 3, 4
W_GENDER, W_SEEKING, W_BIRTH, W_AGE_MIN, W_AGE_MAX, W_INTENTS, W_X, W_Y, W_DISTANCE = (
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
)
WHO_SIZE = 14

# Codes of rules.py, repeated here: a constant from another file would not renew the compiled cache.
OTHER_MARKET, CLOSED, NOT_ADULT, GENDER_BY_VIEWER, GENDER_BY_CANDIDATE, INTENTS = 4, 5, 6, 7, 8, 9
AGE_BY_VIEWER, AGE_BY_CANDIDATE, DISTANCE_BY_VIEWER, DISTANCE_BY_CANDIDATE = 10, 11, 12, 13
ADULT = 18
UNITS_PER_KM = 100  # the plane counts in 10 m


@part
def mark_reason(rules: int, mark: int) -> int:
    """Self, gone or excluded, as marked."""
    return mark if mark != 0 and rules >> mark & 1 else 0


@part
def market_reason(rules: int, here: int, theirs: int) -> int:
    """Same market, and not none."""
    return OTHER_MARKET if rules >> OTHER_MARKET & 1 and (here != theirs or here < 0) else 0


@part
def adult_reason(rules: int, today: int, birth_date: int) -> int:
    """18 today or before; without a birth date never."""
    if not rules >> NOT_ADULT & 1:
        return 0
    return NOT_ADULT if birth_date <= 0 or (today - birth_date) // 10000 < ADULT else 0


@part
def gender_reason(rules: int, gender: int, seeking: int, their_gender: int, their_seeking: int) -> int:
    """Each looks for the other's gender."""
    if rules >> GENDER_BY_VIEWER & 1 and not seeking & their_gender:
        return GENDER_BY_VIEWER
    if rules >> GENDER_BY_CANDIDATE & 1 and not their_seeking & gender:
        return GENDER_BY_CANDIDATE
    return 0


@part
def intent_reason(rules: int, intents: int, theirs: int, counting: int) -> int:
    """An intent in common, of those that count here."""
    return INTENTS if rules >> INTENTS & 1 and not intents & theirs & counting else 0


@part
def age_reason(rules: int, code: int, today: int, birth_date: int, lowest: int, highest: int) -> int:
    """An age within a range, both ends included."""
    if not rules >> code & 1:
        return 0
    age = (today - birth_date) // 10000
    return code if birth_date <= 0 or age < lowest or age > highest else 0


@part
def distance_reason(rules: int, code: int, east: int, north: int, kilometres: int) -> int:
    """Not further than a limit; 0: no limit."""
    if kilometres == 0 or not rules >> code & 1:
        return 0
    limit = kilometres * UNITS_PER_KM
    return code if east * east + north * north > limit * limit else 0


@part
def member_reason(i: int, marks: Any, columns: Any, who: Any) -> int:
    """The code of the first rule that refuses the candidate in row i; 0: eligible."""
    market, gender, seeking, birth, age_min, age_max, intents, x, y, distance = columns
    rules, today = who[W_RULES], who[W_TODAY]
    reason = mark_reason(rules, int(marks[i]))
    if reason == 0:
        reason = market_reason(rules, who[W_MARKET], int(market[i]))
    if reason == 0:
        reason = adult_reason(rules, today, who[W_BIRTH])
    if reason == 0:
        reason = adult_reason(rules, today, int(birth[i]))
    if reason == 0:
        reason = gender_reason(rules, who[W_GENDER], who[W_SEEKING], int(gender[i]), int(seeking[i]))
    if reason == 0:
        reason = intent_reason(rules, who[W_INTENTS], int(intents[i]), who[W_INTENT_BITS])
    if reason == 0:
        reason = age_reason(rules, AGE_BY_VIEWER, today, int(birth[i]), who[W_AGE_MIN], who[W_AGE_MAX])
    if reason == 0:
        reason = age_reason(rules, AGE_BY_CANDIDATE, today, who[W_BIRTH], int(age_min[i]), int(age_max[i]))
    if reason == 0 and who[W_AT_HOME]:
        east, north = int(x[i]) - who[W_X], int(y[i]) - who[W_Y]
        reason = distance_reason(rules, DISTANCE_BY_VIEWER, east, north, who[W_DISTANCE])
        if reason == 0:
            reason = distance_reason(rules, DISTANCE_BY_CANDIDATE, east, north, int(distance[i]))
    return reason


@part
def place_reason(i: int, marks: Any, market: Any, is_open: Any, who: Any) -> int:
    """The code of the first rule that refuses the place in row i; 0: eligible."""
    rules = who[W_RULES]
    if rules >> CLOSED & 1 and is_open[i] != 1:
        return CLOSED
    reason = mark_reason(rules, int(marks[i]))
    if reason == 0:
        reason = market_reason(rules, who[W_MARKET], int(market[i]))
    if reason == 0:
        reason = adult_reason(rules, who[W_TODAY], who[W_BIRTH])
    return reason


MEMBER = columns("u1", "i2", "u1", "u1", "i4", "u1", "u1", "u2", "i2", "i2", "u2", "i8")
PLACE = columns("u1", "i2", "u1", "i8")


@compiled(*MEMBER, *columns("=u1"))
def judge_members(
    marks: Any, market: Any, gender: Any, seeking: Any, birth: Any, age_min: Any, age_max: Any,
    intents: Any, x: Any, y: Any, distance: Any, who: Any, reasons: Any,
) -> None:  # fmt: skip
    """Writes the reason code of every row into `reasons`."""
    table = (market, gender, seeking, birth, age_min, age_max, intents, x, y, distance)
    for i in range(len(marks)):
        reasons[i] = member_reason(i, marks, table, who)


@compiled(*MEMBER, *columns("=i4"), returns="int64")
def scan_members(
    marks: Any, market: Any, gender: Any, seeking: Any, birth: Any, age_min: Any, age_max: Any,
    intents: Any, x: Any, y: Any, distance: Any, who: Any, rows: Any,
) -> int:  # fmt: skip
    """Writes the eligible rows into `rows`, in order; returns how many there are."""
    table = (market, gender, seeking, birth, age_min, age_max, intents, x, y, distance)
    kept = 0
    for i in range(len(marks)):
        if member_reason(i, marks, table, who) == 0:
            rows[kept] = i
            kept += 1
    return kept


@compiled(*PLACE, *columns("=u1"))
def judge_places(marks: Any, market: Any, is_open: Any, who: Any, reasons: Any) -> None:
    """Writes the reason code of every row into `reasons`."""
    for i in range(len(marks)):
        reasons[i] = place_reason(i, marks, market, is_open, who)


@compiled(*PLACE, *columns("=i4"), returns="int64")
def scan_places(marks: Any, market: Any, is_open: Any, who: Any, rows: Any) -> int:
    """Writes the eligible rows into `rows`, in order; returns how many there are."""
    kept = 0
    for i in range(len(marks)):
        if place_reason(i, marks, market, is_open, who) == 0:
            rows[kept] = i
            kept += 1
    return kept
