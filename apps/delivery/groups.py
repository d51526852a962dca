"""Who gains and who loses exposure between two sets of lists: newcomers, the draft's segments, markets; of
places their segments and categories.

Takes counts by the app's id, gives each group's share of all exposure before and after. Segments are judged
on the snapshot that serves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import numpy as np

from apps.common.clock import now
from apps.members.models import Member
from apps.places.models import Place
from apps.policies.segments import expanded
from apps.surfaces.models import Market

NEW = timedelta(days=14)
MOST = 12  # markets, or categories: those that change most
Counts = Counter[Any]
Named = Iterator[tuple[str, str]]  # group, the app's id


def groups_of(
    surface: str, content: Mapping[str, Any], before: Counts, after: Counts
) -> list[dict[str, Any]]:
    """Newcomers and segments first, then whatever changes most."""
    is_people = content["surfaces"].get(surface, {}).get("kind", "member") == "member"
    ids = {*before, *after}
    first, rest = (_newcomers(ids), _markets(ids)) if is_people else (iter(()), _categories(ids))
    segments = _segments(surface, content, "member" if is_people else "place", ids)
    named = [*_shares(first, before, after), *_shares(segments, before, after)]
    others = sorted(_shares(rest, before, after), key=lambda one: -abs(one["after"] - one["before"]))
    return [*named, *others[:MOST]]


def _shares(named: Iterable[tuple[str, str]], before: Counts, after: Counts) -> list[dict[str, Any]]:
    sums: dict[str, list[float]] = {}
    for group, one in named:
        side = sums.setdefault(group, [0, 0])
        side[0] += before[one]
        side[1] += after[one]
    totals = before.total() or 1, after.total() or 1
    return [
        {"name": group, "before": side[0] / totals[0], "after": side[1] / totals[1]}
        for group, side in sums.items()
    ]


def _newcomers(ids: set[str]) -> Named:
    new = Member.objects.filter(external_id__in=ids, joined_at__gt=now() - NEW)
    yield from (("Newcomers (14 days)", one) for one in new.values_list("external_id", flat=True))


def _markets(ids: set[str]) -> Named:
    names = dict(Market.objects.values_list("id", "name"))
    rows = Member.objects.filter(external_id__in=ids).values_list("home_market_id", "external_id")
    yield from ((names.get(market, "No market"), one) for market, one in rows)


def _categories(ids: set[str]) -> Named:
    yield from Place.objects.filter(external_id__in=ids).values_list("category", "external_id")


def _segments(surface: str, content: Mapping[str, Any], kind: str, ids: set[str]) -> Named:
    """Every segment of this kind, with those of the ids who are in it."""
    from apps.delivery.runtime import runtime
    from apps.pipeline.conditions import evaluate

    snapshot = runtime().world.snapshot
    if snapshot is None or surface not in snapshot.surfaces:
        return
    model: Any = Member if kind == "member" else Place
    known = dict(model.objects.filter(external_id__in=ids).values_list("number", "external_id"))
    data = snapshot.surfaces[surface]
    numbers = np.array(sorted(known), "i8")
    rows = np.full(len(numbers), -1, "i8")
    inside = numbers < len(data.row_of)
    rows[inside] = data.row_of[numbers[inside]]
    table = data.candidates.gather(rows[rows >= 0])
    trees = expanded(content.get("segments", []))
    for one in content.get("segments", []):
        if one["of"] == kind:
            met = np.asarray(evaluate(trees[one["key"]], table, snapshot))
            yield from ((f"Segment: {one['name']}", known[int(n)]) for n in table["number"][met])
