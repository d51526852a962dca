"""The prices of this moment: the snapshot's capacity price, what the pacer adds for this viewer, and what
newcomers are given.

Takes a request and candidates, gives their table with the price swapped, so that retrieval, score and explain
read the same one. What is added to all of a snapshot is summed once per version of the pacer's prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from apps.pipeline.contracts import F32, F64, I32, I64, Mask, Request
from apps.pipeline.features.calendar import day_of
from apps.pipeline.features.finite import finite
from apps.pipeline.features.registry import NEWCOMER_DAYS
from apps.pipeline.filters.eligibility import rows_of
from apps.pipeline.rules import ONE, WORD, Live, RuleSpec
from apps.pipeline.sets import positions_in
from apps.pipeline.table import Table

MOST_BYTES = 2**25  # of columns as long as a snapshot: viewers differ in which targets are live for them


def priced_candidates(request: Request) -> Table:
    """The snapshot's candidates; the very same table when nothing is paced or given."""
    table, pacing, live = request.data.candidates, request.pacing, request.rules
    moving, given = _moving(request), _given(request)
    if pacing is None or (moving is None and given is None):
        return table
    paced = (live.rules, moving.tobytes()) if live is not None and moving is not None else None
    key = (request.snapshot.id, paced, given)
    found: Table | None = pacing.kept.get(key)
    if found is None:
        found = _with_price(table, _prices(request, _specs(request, moving), table))
        if (len(pacing.kept) + 1) * found["price"].nbytes > MOST_BYTES:
            pacing.kept.clear()
        pacing.kept[key] = found
    return found


def priced_newcomers(request: Request, newcomers: Table) -> Table:
    """Rows that the snapshot does not know, ascending by number."""
    moving = _moving(request)
    if moving is None and _given(request) is None:
        return newcomers
    return _with_price(newcomers, _prices(request, _specs(request, moving), newcomers))


def subsidies(request: Request, table: Table) -> F64:
    """[n] what is taken off the price of each, in Phi's units: of whoever joined within NEWCOMER_DAYS the
    surface's subsidy, less the more often they were shown, and nothing from the stop on."""
    params, pacing = request.params, request.pacing
    assert pacing is not None
    left = np.asarray(day_of(request.now) - table["joined_day"] < NEWCOMER_DAYS, "f8")
    numbers, shown = pacing.shown
    rows = _rows(request, table, numbers)
    left[rows[rows >= 0]] *= np.maximum(1.0 - shown[rows >= 0] / max(params.newcomer_stop, 1), 0.0)
    return left * params.newcomer_subsidy


def _given(request: Request) -> tuple[float, int, int] | None:
    """What a newcomer's subsidy depends on; None: there is none, as long as nobody counts how often they
    were shown."""
    params = request.params
    if params.newcomer_subsidy <= 0.0 or request.pacing is None or request.data.kind != "member":
        return None
    return params.newcomer_subsidy, params.newcomer_stop, day_of(request.now)


def _specs(request: Request, moving: Live | None) -> Sequence[RuleSpec]:
    return request.rules.those(moving) if request.rules is not None and moving is not None else ()


def _moving(request: Request) -> Live | None:
    """[rules] the floors and share targets that are live for this viewer and move a price now; None: none."""
    pacing, live = request.pacing, request.rules
    if pacing is None or live is None or not (live.have("floor") or live.have("share_target")):
        return None
    moving = live.live & pacing.moving(live.rules)
    return moving if moving.any() else None


def _prices(request: Request, specs: Sequence[RuleSpec], table: Table) -> F32:
    """[n] base + pacing - subsidy in Phi's units; negative lifts."""
    pacing, added = request.pacing, np.zeros(len(table), "f8")
    assert pacing is not None
    for spec in specs:
        if spec.kind == "share_target":
            added += pacing.shares[spec.key] * _meets(request, spec.candidates, table)
        else:
            numbers, corrections = pacing.floors[spec.key]
            rows = _rows(request, table, numbers)
            added[rows[rows >= 0]] += corrections[rows >= 0]
    if _given(request) is not None:
        added -= subsidies(request, table)
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
