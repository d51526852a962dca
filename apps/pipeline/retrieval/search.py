"""Asks the compiled pass for everybody eligible of a table, and the best of them by each key.

Takes a request, a table and a span of its rows; gives the eligible rows in order, and per key as many of
the best as are wanted. The numpy oracle of the same stands in oracle.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from apps.pipeline.blocks import NO_BLOCKS
from apps.pipeline.contracts import F64, I32, Request
from apps.pipeline.features.calendar import day_of
from apps.pipeline.features.registry import NEWCOMER_DAYS
from apps.pipeline.filters import eligibility
from apps.pipeline.filters.eligibility import JUDGED, U8, market_of
from apps.pipeline.passes import Passes
from apps.pipeline.retrieval.fit import NO_VECTOR, Fit
from apps.pipeline.retrieval.prices import priced_candidates
from apps.pipeline.rules import U64
from apps.pipeline.table import Table

scan = Passes("retrieval.scan")

# What the best are sought by, in the order of the compiled passes.
KEYS: Mapping[str, tuple[str, ...]] = {
    "member": ("fit", "joined_day", "active_hour"),
    "place": ("nearness", "fit", "curated"),
}
# The columns that they read, as stored and in their order.
SCANNED = {
    "member": itemgetter(
        "number", *JUDGED["member"], "joined_day", "active_hour", "selectivity", "appeal", "price", "taste",
        "looks",
    ),
    "place": itemgetter(
        "number", *JUDGED["place"], "x", "y", "popularity", "curated", "price", "looks"
    ),
}  # fmt: skip
NO_FIT = Fit(NO_VECTOR, NO_VECTOR, ())


class Best(NamedTuple):
    """Who is best by one key, in no order: positions among the eligible, and ranks, the higher the better."""

    at: I32
    ranks: U64


class Found(NamedTuple):
    """Everybody eligible of a span of rows, ascending, and the best of them by each key."""

    rows: I32
    best: Mapping[str, Best]


def search_market(request: Request, fit: Fit, wanted: Mapping[str, int]) -> Found:
    """Of the snapshot's candidates in the viewer's market. `wanted`: how many by key."""
    data = request.data
    start, stop = eligibility.market_rows(data, market_of(request))
    marks = eligibility.marks_of_rows(request, start, stop)
    return _search(request, priced_candidates(request), start, stop, marks, data.blocks, fit, wanted)


def search_table(request: Request, table: Table, fit: Fit, wanted: Mapping[str, int]) -> Found:
    """Of a table whose rows are all eligible."""
    marks = np.zeros(len(table), "u1")
    return _search(request, table, 0, len(table), marks, NO_BLOCKS, fit, wanted)


def floors_of(request: Request, kind: str) -> F64:
    """[keys] below and at which a key does not count: no newcomer, never active, on no list."""
    lowest = {"joined_day": float(day_of(request.now) - NEWCOMER_DAYS), "active_hour": 0.0, "curated": 0.0}
    return np.array([lowest.get(key, -np.inf) for key in KEYS[kind]])


def starting_point(request: Request) -> tuple[int, int]:
    """Where nearness is measured from: the viewer's home, or the centre of a market that is not home."""
    row = request.viewer.row
    at_home = market_of(request) == int(row["market"][0])
    return (int(row["x"][0]), int(row["y"][0])) if at_home else (0, 0)


def _search(
    request: Request, table: Table, start: int, stop: int, marks: U8, blocks: npt.NDArray[np.int32],
    fit: Fit, wanted: Mapping[str, int],
) -> Found:  # fmt: skip
    names, n = KEYS[table.kind], stop - start
    most = [min(max(wanted.get(name, 0), 0), n) for name in names]
    rows, kept = np.empty(n, "i4"), np.empty(len(names), "i4")
    ranks = np.empty((len(names), 2 * max(most)), "u8")
    best = np.empty(ranks.shape, "i4")
    out = (floors_of(request, table.kind), np.array(most, "i4"), rows, ranks, best, kept)
    weights = tuple(weight for _, weight in fit.columns)
    who = eligibility.who(request)
    columns = SCANNED[table.kind](table.columns)
    found: int
    if table.kind == "member":
        members: Any = scan.scan_members
        found = members(
            who, start, stop, blocks, marks, *columns, weights or (0.0, 0.0, 0.0), fit.looks, fit.taste, *out
        )
    else:
        places: Any = scan.scan_places
        found = places(
            who, start, stop, marks, *columns, weights or (0.0, 0.0), *starting_point(request), fit.looks,
            *out,
        )  # fmt: skip
    sizes = enumerate(kept.tolist())
    return Found(
        rows[:found],
        dict(zip(names, [Best(best[h, :size], ranks[h, :size]) for h, size in sizes], strict=True)),
    )
