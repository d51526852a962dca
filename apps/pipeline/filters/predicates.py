"""The compiled predicates: one function per rule, one pass over columns. Named where they are used by Passes.

Each rule tells with a bit, that of its code in rules.py, whether it refuses; a candidate without bits is
eligible. `judge_*` writes the bits of every row; the passes of retrieval call the same rules. There are no
branches, so that the machine takes several rows at once.

`who` holds the viewer and the request as a tuple of int64: see W_*. `marks` holds per row the bits of facts
that are not in its columns: self, gone, excluded.
"""

from __future__ import annotations

from typing import Any

from apps.pipeline.compiled import columns, compiled, part, tuple_of

# Places in `who`.
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
# The months of the viewer's stay, as bits, and its last day (yyyymmdd).
W_MONTHS, W_UNTIL = 14, 15
WHO_SIZE = 16

# Bits of the codes in rules.py, repeated here: a constant from another file would not renew the compiled
# cache.
OTHER_MARKET, CLOSED, NOT_ADULT, GENDER_BY_VIEWER, GENDER_BY_CANDIDATE = (
    1 << 4,
    1 << 5,
    1 << 6,
    1 << 7,
    1 << 8,
)
INTENTS, AGE_BY_VIEWER, AGE_BY_CANDIDATE = 1 << 9, 1 << 10, 1 << 11
DISTANCE_BY_VIEWER, DISTANCE_BY_CANDIDATE, OUT_OF_SEASON = 1 << 12, 1 << 13, 1 << 14
YEAR = 10_000  # in yyyymmdd; an age is (today - birth_date) // YEAR
ADULT = 18
UNITS_PER_KM = 100  # the plane counts in 10 m


@part
def market_refuses(here: int, theirs: int) -> int:
    """Unless both are in one market, and not in none."""
    return OTHER_MARKET * ((here != theirs) | (here < 0))


@part
def minor_refuses(today: int, birth_date: int) -> int:
    """Below 18 today; without a birth date always."""
    return NOT_ADULT * ((birth_date <= 0) | (today - birth_date < ADULT * YEAR))


@part
def gender_refuses(bit: int, sought: int, gender: int) -> int:
    """Unless the gender is among those sought."""
    return bit * (sought & gender == 0)


@part
def intents_refuse(intents: int, theirs: int, counting: int) -> int:
    """Without an intent in common, of those that count here."""
    return INTENTS * (intents & theirs & counting == 0)


@part
def age_refuses(bit: int, today: int, birth_date: int, lowest: int, highest: int) -> int:
    """Outside a range of ages, whose ends are inside; without a birth date always."""
    lived = today - birth_date
    return bit * ((birth_date <= 0) | (lived < lowest * YEAR) | (lived >= (highest + 1) * YEAR))


@part
def distance_refuses(bit: int, at_home: int, east: int, north: int, kilometres: int) -> int:
    """Further than a limit; 0: no limit, and none for who is not at home in this market."""
    limit = float(kilometres * UNITS_PER_KM)  # squares are whole and below 2^53: exact, and eight at once
    apart = float(east) * float(east) + float(north) * float(north)
    return bit * ((at_home != 0) & (kilometres != 0) & (apart > limit * limit))


@part
def member_refusals(
    who: Any, mark: int, market: int, gender: int, seeking: int, birth: int, age_min: int, age_max: int,
    intents: int, x: int, y: int, distance: int,
) -> int:  # fmt: skip
    """The bits of all rules that refuse a candidate with these values."""
    today, home, east, north = who[W_TODAY], who[W_AT_HOME], x - who[W_X], y - who[W_Y]
    refusals = mark | market_refuses(who[W_MARKET], market)
    refusals |= minor_refuses(today, who[W_BIRTH]) | minor_refuses(today, birth)
    refusals |= gender_refuses(GENDER_BY_VIEWER, who[W_SEEKING], gender)
    refusals |= gender_refuses(GENDER_BY_CANDIDATE, seeking, who[W_GENDER])
    refusals |= intents_refuse(who[W_INTENTS], intents, who[W_INTENT_BITS])
    refusals |= age_refuses(AGE_BY_VIEWER, today, birth, who[W_AGE_MIN], who[W_AGE_MAX])
    refusals |= age_refuses(AGE_BY_CANDIDATE, today, who[W_BIRTH], age_min, age_max)
    refusals |= distance_refuses(DISTANCE_BY_VIEWER, home, east, north, who[W_DISTANCE])
    refusals |= distance_refuses(DISTANCE_BY_CANDIDATE, home, east, north, distance)
    return int(refusals & who[W_RULES])


@part
def closed_refuses(until: int, is_open: int, opens_on: int) -> int:
    """Not open for business, and not before a stay ends."""
    return CLOSED * ((is_open != 1) & ((opens_on == 0) | (opens_on > until)))


@part
def season_refuses(months: int, open_months: int) -> int:
    """Closed in every month of a stay; 0: open all year."""
    return OUT_OF_SEASON * ((open_months != 0) & (months & open_months == 0))


@part
def place_refusals(who: Any, mark: int, market: int, is_open: int, opens_on: int, open_months: int) -> int:
    """The bits of all rules that refuse a place with these values."""
    refusals = mark | closed_refuses(who[W_UNTIL], is_open, opens_on)
    refusals |= season_refuses(who[W_MONTHS], open_months) | market_refuses(who[W_MARKET], market)
    return int((refusals | minor_refuses(who[W_TODAY], who[W_BIRTH])) & who[W_RULES])


# The passes hand over values, never arrays: counting references to ten arrays per row would cost ten times
# the work.
WHO = tuple_of("int64", WHO_SIZE)
MEMBER = (WHO, *columns("u1", "i2", "u1", "u1", "i4", "u1", "u1", "u2", "i2", "i2", "u2"))
PLACE = (WHO, *columns("u1", "i2", "u1", "i4", "u2"))


@compiled(*MEMBER, *columns("=i4"))
def judge_members(
    who: Any, marks: Any, market: Any, gender: Any, seeking: Any, birth: Any, age_min: Any, age_max: Any,
    intents: Any, x: Any, y: Any, distance: Any, refusals: Any,
) -> None:  # fmt: skip
    """Writes the bits of every row into `refusals`."""
    for i in range(len(marks)):
        refusals[i] = member_refusals(
            who, int(marks[i]), int(market[i]), int(gender[i]), int(seeking[i]), int(birth[i]),
            int(age_min[i]), int(age_max[i]), int(intents[i]), int(x[i]), int(y[i]), int(distance[i]),
        )  # fmt: skip


@compiled(*PLACE, *columns("=i4"))
def judge_places(
    who: Any, marks: Any, market: Any, is_open: Any, opens_on: Any, open_months: Any, refusals: Any
) -> None:
    """Writes the bits of every row into `refusals`."""
    for i in range(len(marks)):
        refusals[i] = place_refusals(
            who, int(marks[i]), int(market[i]), int(is_open[i]), int(opens_on[i]), int(open_months[i])
        )


@compiled(*columns("i4", "i4"), "int64", "int64", "uint8", *columns("=u1"))
def mark_rows(numbers: Any, row_of: Any, start: int, stop: int, bit: int, marks: Any) -> None:
    """Sets a bit for those of `numbers` who have a row in start..stop; `marks` are of these rows."""
    for number in numbers:
        if 0 <= number < len(row_of):
            row = row_of[number]
            if start <= row < stop:
                marks[row - start] |= bit
