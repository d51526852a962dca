"""The prices of this moment: the snapshot's capacity price, and what the pacer adds for this viewer.

Takes a request and candidates, gives their table with the price swapped, so that retrieval, score and explain
read the same one. What is added to all of a snapshot is summed once per version of the pacer's prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from apps.pipeline.contracts import F32, F64, I32, I64, Mask, Request
from apps.pipeline.features.finite import finite
from apps.pipeline.filters.eligibility import positions_in, rows_of
from apps.pipeline.rules import ONE, WORD, RuleSpec
from apps.pipeline.snapshot import Table

NO_FLOOR: tuple[I32, F64] = (np.zeros(0, "i4"), np.zeros(0))
MOST_KEPT = 8  # columns as long as a snapshot: viewers differ in which targets are live for them


def priced_candidates(request: Request) -> Table:
    """The snapshot's candidates; the very same table when nothing is paced."""
    table, pacing, live = request.data.candidates, request.pacing, request.rules
    specs = _moved(request)
    if not specs or pacing is None or live is None:
        return table
    about = tuple((spec.key, spec.candidates) for spec in specs)
    key = (request.snapshot.id, live.rules.digest, about)
    price = pacing.kept.get(key)
    if price is None:
        price = _prices(request, specs, table)
        if len(pacing.kept) >= MOST_KEPT:
            pacing.kept.clear()
        pacing.kept[key] = price
    return _with_price(table, price)


def priced_newcomers(request: Request, newcomers: Table) -> Table:
    """Rows that the snapshot does not know, ascending by number."""
    specs = _moved(request)
    return _with_price(newcomers, _prices(request, specs, newcomers)) if specs else newcomers


def _moved(request: Request) -> tuple[RuleSpec, ...]:
    """The floors and share targets that are live for this viewer and move a price now."""
    pacing, live = request.pacing, request.rules
    if pacing is None or live is None:
        return ()
    return tuple(
        spec
        for spec in live.paced
        if pacing.shares.get(spec.key) or len(pacing.floors.get(spec.key, NO_FLOOR)[0])
    )


def _prices(request: Request, specs: Sequence[RuleSpec], table: Table) -> F32:
    """[n] base + pacing in Phi's units; negative lifts."""
    pacing, added = request.pacing, np.zeros(len(table), "f8")
    assert pacing is not None
    for spec in specs:
        if spec.kind == "share_target":
            added += pacing.shares[spec.key] * _meets(request, spec.candidates, table)
        else:
            numbers, corrections = pacing.floors[spec.key]
            rows = _rows(request, table, numbers)
            added[rows[rows >= 0]] += corrections[rows >= 0]
    return np.asarray(finite(finite(table["price"]) + added.astype("f4")))


def _meets(request: Request, condition: int, table: Table) -> Mask:
    """[n] whether each meets a condition of the live rules; -1 is met by everybody."""
    live = request.rules
    assert live is not None
    if condition < 0:
        return np.ones(len(table), "?")
    if live.masks is not None and table is request.data.candidates:
        words = live.masks.candidates[:, condition // WORD]
        return np.asarray(words >> np.uint64(condition % WORD) & ONE == ONE)
    from apps.pipeline.conditions import evaluate

    return np.asarray(evaluate(live.rules.candidate_conditions[condition], table, request.snapshot), "?")


def _rows(request: Request, table: Table, numbers: I32) -> I64:
    """Where each of `numbers` stands in the table; -1: it is not there."""
    if table is request.data.candidates:
        return rows_of(request.data, numbers)
    return positions_in(table["number"], numbers)


def _with_price(table: Table, price: F32) -> Table:
    return replace(table, columns={**table.columns, "price": price})
