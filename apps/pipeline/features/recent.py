"""Features of the last minutes and days: seen too often, a full inbox, active now, less like this.

Each takes a request and a pool, gives one number from 0 to 1 per candidate. Weights and half-lives are
policy; the signals came with the request, so that a replay reads the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import Pool, Request
from apps.pipeline.features import pairs
from apps.pipeline.features.calendar import hour_of
from apps.pipeline.features.taste import DAY, faded
from apps.pipeline.passes import Passes
from apps.pipeline.signals import OTHER_INDUSTRY, TOO_FAR
from apps.pipeline.snapshot import rows_in
from apps.pipeline.table import Table

recent_loop = Passes("features.recent_loop")

Numbers = npt.NDArray[Any]


def fatigue(request: Request, pool: Pool) -> Numbers:
    """1/2 for somebody seen once just now, 3/4 for twice ...; fading as the times seen do."""
    signals = request.viewer.signals
    times = pairs.look_up(pool.table["number"], signals.tired_of, signals.times_seen)
    return np.asarray(1.0 - np.exp2(-times))


def inbox_load(request: Request, pool: Pool) -> Numbers:
    """Unread likes as a share of a full inbox, at most 1; in quarters, so that no single like shows."""
    quarters, unread = np.empty(len(pool), "f4"), request.viewer.signals.unread
    recent_loop.inbox_load(unread, pool.table["number"], max(request.params.inbox_full, 1), quarters)
    return quarters


def presence(request: Request, pool: Pool) -> Numbers:
    """1 for somebody active within the policy's hours, counted in whole hours; else 0."""
    table, present = pool.table, np.empty(len(pool), "f4")
    before = hour_of(request.now) - request.params.presence_hours  # who was active after this hour is there
    recent_loop.presence(
        request.viewer.signals.active_hour, table["number"], table["active_hour"], before, present
    )
    return present


def less_like_this(request: Request, pool: Pool) -> Numbers:
    """How much of what the viewer asked less of a candidate shares: that far away, of that industry."""
    result = np.zeros(len(pool), "f4")
    less = request.viewer.signals.less
    if not len(less):
        return result
    less = less[(less["what"] == TOO_FAR) | (less["what"] == OTHER_INDUSTRY)]
    rows = rows_in(request.data.row_of, less["number"])
    weights = faded(less["at"], request.now, request.params.less_half_life * DAY)
    counts = (rows >= 0) & (weights > 0.0)
    if not counts.any() or pool.table.kind != "member":
        return result
    examples = _columns(request.data.candidates, rows[counts], ("number", "x", "y", "market", "industries"))
    there, here = (pairs.kilometres(request.viewer.row, table) for table in (examples, pool.table))
    of_each = zip(less["what"][counts], weights[counts], there, examples["industries"], strict=True)
    for what, weight, distance, industries in of_each:
        if what == OTHER_INDUSTRY:
            alike = pool.table["industries"] & industries != 0
        else:  # nobody is as far as somebody in the same cell, or in another plane
            alike = (here >= distance) & (distance > 0.0)
        result = np.maximum(result, np.where(alike, np.float32(weight), np.float32(0.0)))
    return result


def _columns(table: Table, rows: Numbers, names: tuple[str, ...]) -> Table:
    return Table(table.kind, {name: np.asarray(table[name])[rows] for name in names})
