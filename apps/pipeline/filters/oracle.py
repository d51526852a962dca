"""The eligibility rules once more, in plain numpy: what the compiled predicates must agree with.

One mask per rule, True where it refuses; slow, and written from the rules' sentences without sharing code
with predicates.py. Tests compare the two; replay may use it to count refusals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from apps.pipeline.contracts import Mask, Request
from apps.pipeline.features.calendar import date_of
from apps.pipeline.filters.rules import ELIGIBILITY
from apps.pipeline.table import Table


def refusing(request: Request, table: Table) -> dict[str, Mask]:
    """For every rule of the surface's set a mask [n]: True where it refuses the row."""
    rules = ELIGIBILITY[request.data.eligibility].rules
    return {name: np.broadcast_to(REFUSES[name](request, table), (len(table),)) for name in rules}


def eligible(request: Request, table: Table) -> Mask:
    """Rows that no rule refuses [n]."""
    refused = np.zeros(len(table), bool)
    for mask in refusing(request, table).values():
        refused |= mask
    return ~refused


def ages(table: Table, today: int) -> np.ndarray:
    """Whole years lived by a date; -1 without a birth date."""
    born = table["birth_date"].astype("i8")
    year, month, day = today // 10000, today // 100 % 100, today % 100
    had_birthday = (month * 100 + day) >= born % 10000
    return np.where(born > 0, year - born // 10000 - np.where(had_birthday, 0, 1), -1)


def _market(request: Request) -> int:
    return request.market if request.market >= 0 else int(request.viewer.row["market"][0])


def _other_market(request: Request, table: Table) -> Mask:
    return np.asarray((table["market"] != _market(request)) | (_market(request) == -1))


def _days(request: Request) -> list[np.datetime64]:
    """Every day on which the viewer is there."""
    if request.stay is None:
        return [np.datetime64(int(request.now // 86400) if request.day is None else request.day, "D")]
    return [np.datetime64(day, "D") for day in range(request.stay.first_day, request.stay.last_day + 1)]


def _closed(request: Request, table: Table) -> Mask:
    last = int(str(_days(request)[-1]).replace("-", ""))
    opens = (table["opens_on"] > 0) & (table["opens_on"] <= last)
    return np.asarray((table["is_open"] != 1) & ~opens)


def _out_of_season(request: Request, table: Table) -> Mask:
    months = {int(str(day)[5:7]) for day in _days(request)}
    open_then = [
        not mask or any(mask >> month & 1 for month in months) for mask in table["open_months"].tolist()
    ]
    return ~np.array(open_then, "?").reshape(len(table))


def _not_adult(request: Request, table: Table) -> Mask:
    today = date_of(request.now)
    viewer = ages(request.viewer.row, today) < 18
    return viewer | (ages(table, today) < 18) if table.kind == "member" else np.full(len(table), viewer[0])


def _gender_sought_by_viewer(request: Request, table: Table) -> Mask:
    return np.asarray((request.viewer.row["seeking"] & table["gender"]) == 0)


def _gender_sought_by_candidate(request: Request, table: Table) -> Mask:
    return np.asarray((table["seeking"] & request.viewer.row["gender"]) == 0)


def _intents(request: Request, table: Table) -> Mask:
    counting = np.uint16(ELIGIBILITY[request.data.eligibility].intents)
    return np.asarray((request.viewer.row["intents"] & table["intents"] & counting) == 0)


def _age_range_of_viewer(request: Request, table: Table) -> Mask:
    return _outside(ages(table, date_of(request.now)), request.viewer.row)


def _age_range_of_candidate(request: Request, table: Table) -> Mask:
    return _outside(ages(request.viewer.row, date_of(request.now)), table)


def _outside(age: np.ndarray, ranges: Table) -> Mask:
    inside = (age >= ranges["age_min"]) & (age <= ranges["age_max"]) & (age >= 0)
    return ~inside


def _distance_of_viewer(request: Request, table: Table) -> Mask:
    return _too_far(request, table, np.broadcast_to(request.viewer.row["max_distance"], (len(table),)))


def _distance_of_candidate(request: Request, table: Table) -> Mask:
    return _too_far(request, table, table["max_distance"])


def _too_far(request: Request, table: Table, limit: np.ndarray) -> Mask:
    if _market(request) != int(request.viewer.row["market"][0]):
        return np.zeros(len(table), bool)
    east = (table["x"].astype("f8") - request.viewer.row["x"]) / 100
    north = (table["y"].astype("f8") - request.viewer.row["y"]) / 100
    return np.asarray((limit > 0) & (east**2 + north**2 > limit.astype("f8") ** 2))


REFUSES: Mapping[str, Callable[[Request, Table], Mask]] = {
    "self": lambda request, table: table["number"] == request.viewer.number,
    "gone": lambda request, table: np.isin(table["number"], request.gone),
    "excluded": lambda request, table: np.isin(table["number"], request.viewer.excluded),
    "other_market": _other_market,
    "closed": _closed,
    "out_of_season": _out_of_season,
    "not_adult": _not_adult,
    "gender_sought_by_viewer": _gender_sought_by_viewer,
    "gender_sought_by_candidate": _gender_sought_by_candidate,
    "intents": _intents,
    "age_range_of_viewer": _age_range_of_viewer,
    "age_range_of_candidate": _age_range_of_candidate,
    "distance_of_viewer": _distance_of_viewer,
    "distance_of_candidate": _distance_of_candidate,
}
