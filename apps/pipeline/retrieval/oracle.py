"""Retrieval once more, in plain numpy over the whole market: what the compiled pass must agree with.

Slow, and without blocks, ranks or spans: every rule on every row, every key of whoever is left, a full sort.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from apps.pipeline.contracts import F64, I32, I64, Request
from apps.pipeline.filters import oracle
from apps.pipeline.retrieval.fit import Fit
from apps.pipeline.retrieval.prices import priced_candidates
from apps.pipeline.retrieval.search import KEYS, floors_of, starting_point
from apps.pipeline.table import Table


def search(request: Request, fit: Fit, wanted: Mapping[str, int]) -> tuple[I32, dict[str, I64]]:
    """Everybody eligible of the viewer's market, as rows; by key the best of them, as positions in these."""
    table = priced_candidates(request)
    stale = np.isin(table["number"], request.stale)
    rows = np.flatnonzero(oracle.eligible(request, table) & ~stale).astype("i4")
    found = table.gather(rows)
    floors = dict(zip(KEYS[table.kind], floors_of(request, table.kind).tolist(), strict=True))
    best = {}
    for key, most in wanted.items():
        keys = key_of(key, request, found, fit)
        order = np.lexsort((found["number"], -keys))
        best[key] = order[keys[order] > floors[key]][:most]
    return rows, best


def key_of(key: str, request: Request, table: Table, fit: Fit) -> F64:
    """[n] one of the keys, as float64; a fit that is no number is the lowest."""
    if key == "fit":
        with np.errstate(invalid="ignore", over="ignore"):
            values = fit.values(table)
        return np.where(np.isfinite(values), values, np.finfo("f8").min)
    if key == "nearness":
        x, y = starting_point(request)
        return np.asarray(-((table["x"].astype("f8") - x) ** 2 + (table["y"].astype("f8") - y) ** 2))
    return table[key].astype("f8")
