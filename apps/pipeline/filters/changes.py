"""The smallest change that would satisfy a rule, as plain data: what would have to differ, on whose side.

Takes a request and the candidate as a one-row table. A rule that no change of settings can satisfy gives
nothing: self, gone, excluded, not adult.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from apps.pipeline.contracts import Request
from apps.pipeline.features.calendar import date_of
from apps.pipeline.features.pairs import kilometres
from apps.pipeline.features.stay import months_there
from apps.pipeline.filters.eligibility import market_of
from apps.pipeline.filters.rules import ELIGIBILITY
from apps.pipeline.table import Table
from apps.pipeline.vocabulary import GENDERS, INTENTS, names_of

Change = Mapping[str, Any]


def change_for(rule: str, request: Request, candidate: Table) -> Change | None:
    """What would satisfy `rule` for this candidate; None: nothing would."""
    viewer = request.viewer.row
    match rule:
        case "other_market":
            here, there = market_of(request), int(candidate["market"][0])
            return (
                _change("viewer", "market", _market(request, here), _market(request, there))
                if there >= 0
                else None
            )
        case "closed":
            return _change("candidate", "is_open", False, True)
        case "out_of_season":
            return _months(request, candidate)
        case "gender_sought_by_viewer":
            return _seeking("viewer", viewer, candidate)
        case "gender_sought_by_candidate":
            return _seeking("candidate", candidate, viewer)
        case "intents":
            return _intents(request, candidate)
        case "age_range_of_viewer":
            return _age_range("viewer", viewer, candidate, date_of(request.now))
        case "age_range_of_candidate":
            return _age_range("candidate", candidate, viewer, date_of(request.now))
        case "distance_of_viewer":
            return _distance("viewer", viewer, candidate)
        case "distance_of_candidate":
            return _distance("candidate", candidate, viewer)
    return None


def _change(of: str, field: str, now: Any, to: Any) -> Change:
    return {"of": of, "field": field, "from": now, "to": to}


def _market(request: Request, index: int) -> str | None:
    markets = request.snapshot.markets
    return str(markets[index]["key"]) if 0 <= index < len(markets) else None


def _seeking(of: str, who: Table, other: Table) -> Change | None:
    now, missing = int(who["seeking"][0]), int(other["gender"][0])
    if missing == 0:
        return _change("candidate" if of == "viewer" else "viewer", "gender", None, "any")
    return _change(of, "seeking", names_of(now, GENDERS), names_of(now | missing, GENDERS))


def _intents(request: Request, candidate: Table) -> Change:
    counting = ELIGIBILITY[request.data.eligibility].intents
    mine, theirs = (int(row["intents"][0]) & counting for row in (request.viewer.row, candidate))
    if theirs:
        lowest = theirs & -theirs
        return _change("viewer", "intents", names_of(mine, INTENTS), names_of(mine | lowest, INTENTS))
    lowest = (mine or counting) & -(mine or counting)
    return _change("candidate", "intents", (), names_of(lowest, INTENTS))


def _months(request: Request, candidate: Table) -> Change:
    """The first month of the stay beside those in which the place is open."""
    open_then, there = int(candidate["open_months"][0]), months_there(request)
    now = [month for month in range(1, 13) if open_then >> month & 1]
    first = next(month for month in range(1, 13) if there >> month & 1)
    return _change("candidate", "open_months", now, sorted([*now, first]))


def _age_range(of: str, who: Table, other: Table, today: int) -> Change:
    age = (today - int(other["birth_date"][0])) // 10000
    field = "age_min" if age < int(who["age_min"][0]) else "age_max"
    return _change(of, field, int(who[field][0]), age)


def _distance(of: str, who: Table, other: Table) -> Change:
    needed = math.ceil(round(float(kilometres(who, other)[0]), 2))
    return _change(of, "max_distance", int(who["max_distance"][0]), needed)
