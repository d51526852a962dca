"""Where members are: at home; on the days of a trip, or with another current market, in the middle of that.

One place per member and day, as viewer and as candidate: whoever travels is shown where they draw from, and
nowhere else. Of trips that overlap the one that began last counts: a side trip lies within a longer one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
from django.db import connection

from apps.pipeline.features.pairs import MIDDLE
from apps.pipeline.table import Table

_TRAVELLERS = """
SELECT m.number, coalesce(t.market_id, m.current_market_id) AS market
FROM members_member m LEFT JOIN (
    SELECT DISTINCT ON (member_id) member_id, market_id FROM members_trip
    WHERE %(today)s BETWEEN starts_on AND ends_on AND {of_these_trips}
    ORDER BY member_id, starts_on DESC, id DESC
) t ON t.member_id = m.number
WHERE coalesce(t.market_id, m.current_market_id) <> coalesce(m.home_market_id, 0) AND {of_these_members}
"""
_TURNED = """
SELECT DISTINCT member_id FROM members_trip
WHERE (starts_on > %(since)s AND starts_on <= %(today)s) OR (ends_on >= %(since)s AND ends_on < %(today)s)
"""

_COMING = """
SELECT member_id, market_id, starts_on - date '1970-01-01', ends_on - date '1970-01-01' FROM members_trip
WHERE starts_on > %(today)s AND starts_on <= %(today)s::date + %(ahead)s AND {of_these_trips}
ORDER BY member_id, starts_on, id
"""
DAYS_AHEAD = 60  # how early a trip is known of: no policy looks further

Found = Sequence[tuple[int, int, int, int]]


def coming_trips(
    markets: Sequence[Mapping[str, Any]], today: date, numbers: Iterable[int] | None = None
) -> Found:
    """(number, index of the market, first day, last day) of trips that begin after today and within
    DAYS_AHEAD; days since 1970-01-01. By number, then as they begin. A market that is not among `markets` yet
    is left out. `numbers`: of these alone."""
    index = {market.get("id"): i for i, market in enumerate(markets)}
    sql = _COMING.format(of_these_trips="true" if numbers is None else "member_id = ANY(%(numbers)s)")
    given = {"today": today, "ahead": DAYS_AHEAD, "numbers": [int(number) for number in numbers or ()]}
    rows = _rows(sql, given)
    return [(number, index[market], first, last) for number, market, first, last in rows if market in index]


def travellers(
    markets: Sequence[Mapping[str, Any]], today: date, numbers: Iterable[int] | None = None
) -> dict[int, int]:
    """By number the index of the market in which a member is who is not at home. `numbers`: of these alone.

    A market that is not among `markets` yet moves nobody.
    """
    index = {market.get("id"): i for i, market in enumerate(markets)}
    every = numbers is None
    sql = _TRAVELLERS.format(
        of_these_trips="true" if every else "member_id = ANY(%(numbers)s)",
        of_these_members="true" if every else "m.number = ANY(%(numbers)s)",
    )
    rows = _rows(sql, {"today": today, "numbers": [int(number) for number in numbers or ()]})
    return {number: index[market] for number, market in rows if market in index}


def moved_by_the_date(since: date, today: date) -> set[int]:
    """Whose trips began or ended between two days by the date alone, without an edit."""
    return {row[0] for row in _rows(_TURNED, {"since": since, "today": today})}


def placed(members: Table, away: Mapping[int, int]) -> Table:
    """The members where they are. `away`: by number the index of another market than home."""
    rows = np.flatnonzero(np.isin(members["number"], list(away)))
    if not len(rows):
        return members
    columns = dict(members.columns)
    markets = [away[number] for number in members["number"][rows].tolist()]
    for name, values in (("market", markets), ("x", MIDDLE[0]), ("y", MIDDLE[1])):
        columns[name] = columns[name].copy()
        columns[name][rows] = values
    return Table(members.kind, columns)


def _rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
