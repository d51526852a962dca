"""Everybody who may be shown to one viewer, as the sources see them: rows of the snapshot, then overlay
newcomers.

Takes a request, runs the filters, gives positions 0..n-1 with columns on demand. It copies a column only
when asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32, I32, I64, NOBODY, Request
from apps.pipeline.features.calendar import date_of
from apps.pipeline.features.tower import embed
from apps.pipeline.filters import eligibility
from apps.pipeline.passes import Passes
from apps.pipeline.retrieval.fit import Fit, fit_of
from apps.pipeline.retrieval.prices import priced_candidates, priced_newcomers
from apps.pipeline.retrieval.search import NO_FIT, Best, search_market, search_table
from apps.pipeline.snapshot import SurfaceData
from apps.pipeline.table import OnUse, Table, empty_table

look_up = Passes("retrieval.look_up")

BUDGET = 25.0  # ms: a quarter of what a list may take, and hundreds of times what a source takes


@dataclass(frozen=True)
class Eligible:
    """Position i is row `rows[i]` of the candidates, and after those the rows of `newcomers`, by number."""

    request: Request
    rows: I32  # ascending
    newcomers: Table
    wanted: Mapping[str, int]  # how many of the best were looked for, by key (see search.KEYS)
    best: Mapping[str, Best]

    @property
    def data(self) -> SurfaceData:
        return self.request.data

    @cached_property
    def table(self) -> Table:
        """The snapshot's candidates with the prices of this moment."""
        return priced_candidates(self.request)

    @cached_property
    def numbers(self) -> I32:
        """The number of everybody eligible [n]."""
        return self.column("number")

    def __len__(self) -> int:
        return len(self.rows) + len(self.newcomers)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column [n] (or [n, d]) of everybody eligible."""
        column = self.table.take(name, self.rows)
        return np.concatenate([column, self.newcomers[name]]) if len(self.newcomers) else column

    def pick(self, positions: npt.NDArray[np.integer[Any]]) -> Table:
        """The rows at these positions (ascending) as a table; see Table.pick."""
        split = int(np.searchsorted(positions, len(self.rows))) if len(self.newcomers) else len(positions)
        known = self.table.pick(self.rows[positions[:split]])
        if split == len(positions):
            return known
        new = self.newcomers.pick(positions[split:] - len(self.rows))
        return Table(known.kind, OnUse(known.columns, lambda name: np.concatenate([known[name], new[name]])))

    def rows_at(self, positions: npt.NDArray[np.integer[Any]]) -> I32:
        """The row of the snapshot at each of these positions; -1: one of the newcomers."""
        rows = np.full(len(positions), -1, "i4")
        known = positions < len(self.rows)
        rows[known] = self.rows[positions[known]]
        return rows

    def find(self, numbers: npt.NDArray[np.integer[Any]]) -> I64:
        """Position of each of `numbers`; -1 for those who are not eligible."""
        asked, positions = np.asarray(numbers, "i8"), np.empty(len(numbers), "i8")
        look_up.find(asked, self.data.row_of, self.rows, self.newcomers["number"], positions)
        return positions

    def positions_of(self, numbers: npt.NDArray[np.integer[Any]]) -> I64:
        """Positions of those of `numbers` who are eligible, in the order given."""
        found = self.find(numbers)
        return found[found >= 0]

    def heaviest(self, numbers: I32, weights: F32, most: int, *, without: I32 = NOBODY) -> I64:
        """Positions of at most this many of `numbers` who are eligible, and none of `without`: the heaviest
        first, of equals the lower number. `weights` are finite."""
        room = (1, min(2 * max(most, 0), len(numbers)))
        ranks, best = np.empty(room, "u8"), np.empty(room, "i4")
        of_eligible = self.data.row_of, self.rows, self.newcomers["number"]
        n = look_up.find_heaviest(numbers, weights, without, *of_eligible, max(most, 0), ranks, best)
        return best[0, :n][ranks[0, :n].argsort()[::-1]].astype("i8")

    def top(self, key: str, most: int) -> I64:
        """At most this many positions by a key of search.KEYS, best first."""
        if most > self.wanted.get(key, 0):  # more than were looked for, or fit could not be told: raised here
            return _ranked(self.request, {key: most}, fit_of(self.request), self.newcomers).top(key, most)
        best = self.best[key]
        return best.at[best.ranks.argsort()[::-1][: max(most, 0)]].astype("i8")


@dataclass(frozen=True)
class Source:
    """Proposes at most `quota` positions of the eligible, best first.

    Fails open: an error means fewer candidates. One that works in steps calls
    `request.in_time()` between them.
    """

    name: str
    sentence: str
    quota: int  # where its knob starts
    propose: Callable[[Request, Eligible, int], npt.NDArray[np.integer[Any]]]
    key: str = ""  # one of search.KEYS that it proposes by: told in the pass that finds the eligible
    budget: float = BUDGET  # ms, where its knob starts; without one, and without limit, where it has a key
    before: int | None = None  # the quota that releases mean from before there was this source; None: `quota`

    @property
    def unsaid(self) -> int:
        """The quota of a release that says none."""
        return self.quota if self.before is None else self.before


def find_eligible(request: Request, wanted: Mapping[str, int] = MappingProxyType({})) -> tuple[Eligible, int]:
    """Everybody who may be shown, and out of how many; as many of the best as are wanted by key, in one pass.

    With `only`, nobody but those numbers is looked at.
    """
    new = _of_overlay(request)
    if request.only is not None:
        return _only(request, new)
    start, stop = eligibility.market_rows(request.data, eligibility.market_of(request))
    received = stop - start + len(new)
    try:
        fit = fit_of(request) if wanted.get("fit") else NO_FIT
    except Exception:  # the source that asks for it is lost, and says so; the others are not
        fit, wanted = NO_FIT, {**wanted, "fit": 0}
    return _ranked(request, wanted, fit, _judged(request, new)), received


def _ranked(request: Request, wanted: Mapping[str, int], fit: Fit, newcomers: Table) -> Eligible:
    known = search_market(request, fit, wanted)
    if not len(newcomers):
        return Eligible(request, known.rows, newcomers, wanted, known.best)
    new = search_table(request, newcomers, fit, wanted)
    best = {key: _both(known.best[key], new.best[key], len(known.rows)) for key in wanted}
    return Eligible(request, known.rows, newcomers, wanted, best)


def _both(known: Best, new: Best, after: int) -> Best:
    return Best(
        np.concatenate([known.at, new.at + np.int32(after)]), np.concatenate([known.ranks, new.ranks])
    )


def _only(request: Request, new: I64) -> tuple[Eligible, int]:
    numbers = np.unique(np.asarray(request.only, "i8"))
    if request.newcomers is not None:
        new = new[np.isin(request.newcomers["number"][new], numbers)]
    rows = np.sort(eligibility.rows_of(request.data, numbers[~eligibility.is_stale(request, numbers)]))
    rows = rows[rows >= 0]
    kept = rows[eligibility.reasons(request, request.data.candidates.gather(rows)) == 0].astype("i4")
    return Eligible(request, kept, _judged(request, new), {}, {}), len(rows) + len(new)


def _judged(request: Request, new: I64) -> Table:
    """Those of the overlay's rows who may be shown, with an embedding and a price; nobody else is copied."""
    table = request.newcomers
    if table is None or not len(new):
        return empty_table(request.data.kind)
    judged = {name: table[name][new] for name in ("number", *eligibility.JUDGED[table.kind])}
    kept = new[eligibility.reasons(request, Table(table.kind, judged)) == 0]
    return priced_newcomers(request, embed_newcomers(request, table.gather(kept)))


def embed_newcomers(request: Request, newcomers: Table) -> Table:
    """Newcomers whose embedding is still zero get it from the content tower."""
    if not len(newcomers) or np.any(newcomers["looks"]):
        return newcomers
    return embed(
        newcomers, surface=request.surface, content=request.snapshot.content, today=date_of(request.now)
    )


def _of_overlay(request: Request) -> I64:
    """Overlay rows of the viewer's market by number, each once; whom the snapshot knows is judged by the
    snapshot, unless that row is stale."""
    table = request.newcomers
    if table is None or not len(table):
        return np.zeros(0, "i8")
    here = np.arange(len(table))
    if request.only is None:
        here = np.flatnonzero(table["market"] == eligibility.market_of(request))
    numbers, first = np.unique(table["number"][here], return_index=True)
    kept = (eligibility.rows_of(request.data, numbers) < 0) | eligibility.is_stale(request, numbers)
    return np.asarray(here[first[kept]], "i8")
