"""Everybody who may be shown to one viewer, as the sources see them: rows of the snapshot, then overlay
newcomers.

Takes a request, runs the filters, gives positions 0..n-1 with columns on demand. It copies a column only
when asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import I32, I64, Request
from apps.pipeline.features.calendar import date_of
from apps.pipeline.features.tower import embed
from apps.pipeline.filters import eligibility
from apps.pipeline.filters.eligibility import rows_of
from apps.pipeline.snapshot import SurfaceData, Table, empty_table


@dataclass(frozen=True)
class Eligible:
    """Position i is row `rows[i]` of the candidates, and after those the rows of `newcomers`, by number."""

    data: SurfaceData
    rows: I32  # ascending
    newcomers: Table

    @property
    def table(self) -> Table:
        return self.data.candidates

    @cached_property
    def numbers(self) -> I32:
        """The number of everybody eligible [n]."""
        return self.column("number")

    def __len__(self) -> int:
        return len(self.rows) + len(self.newcomers)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column [n] (or [n, d]) of everybody eligible."""
        column = np.asarray(self.table[name])[self.rows]
        return np.concatenate([column, self.newcomers[name]]) if len(self.newcomers) else column

    def gather(self, positions: npt.NDArray[np.integer[Any]]) -> Table:
        """The rows at these positions (ascending) as a table."""
        split = int(np.searchsorted(positions, len(self.rows)))
        rows = self.rows[positions[:split]]
        known = Table(self.table.kind, {n: np.asarray(c)[rows] for n, c in self.table.columns.items()})
        return known.concat(self.newcomers.gather(positions[split:] - len(self.rows)))

    def find(self, numbers: npt.NDArray[np.integer[Any]]) -> I64:
        """Position of each of `numbers`; -1 for those who are not eligible."""
        rows = rows_of(self.data, numbers)
        known = _index(self.rows, rows)
        new = _index(self.newcomers["number"], numbers)
        return np.where(known >= 0, known, np.where(new >= 0, new + len(self.rows), -1))

    def positions_of(self, numbers: npt.NDArray[np.integer[Any]]) -> I64:
        """Positions of those of `numbers` who are eligible, in the order given."""
        found = self.find(numbers)
        return found[found >= 0]


@dataclass(frozen=True)
class Source:
    """Proposes at most `quota` positions of the eligible, best first.

    Fails open: an error means fewer candidates.
    """

    name: str
    sentence: str
    quota: int  # where its knob starts
    propose: Callable[[Request, Eligible, int], npt.NDArray[np.integer[Any]]]


def find_eligible(request: Request) -> tuple[Eligible, int]:
    """Everybody who may be shown, and out of how many. With `only`, nobody but those numbers is looked at."""
    newcomers = _unknown_to_snapshot(request)
    if request.only is None:
        start, stop = eligibility.market_rows(request.data, eligibility.market_of(request))
        rows, received = eligibility.eligible_rows(request), stop - start
    else:
        rows, received = _only_rows(request)
        newcomers = newcomers.gather(np.flatnonzero(np.isin(newcomers["number"], request.only)))
    received += len(newcomers)
    if len(newcomers):
        newcomers = newcomers.gather(np.flatnonzero(eligibility.reasons(request, newcomers) == 0))
        newcomers = embed_newcomers(request, newcomers)
    return Eligible(request.data, rows, newcomers), received


def embed_newcomers(request: Request, newcomers: Table) -> Table:
    """Newcomers whose embedding is still zero get it from the content tower."""
    if not len(newcomers) or np.any(newcomers["looks"]):
        return newcomers
    return embed(
        newcomers, surface=request.surface, content=request.snapshot.content, today=date_of(request.now)
    )


def _only_rows(request: Request) -> tuple[I32, int]:
    numbers = np.unique(np.asarray(request.only, "i8"))
    rows = np.sort(eligibility.rows_of(request.data, numbers))
    rows = rows[rows >= 0]
    judged = request.data.candidates.gather(rows)
    return rows[eligibility.reasons(request, judged) == 0].astype("i4"), len(rows)


def _unknown_to_snapshot(request: Request) -> Table:
    """Overlay rows by number, each once; whom the snapshot knows is judged by the snapshot."""
    if request.newcomers is None or not len(request.newcomers):
        return empty_table(request.data.kind)
    _, first = np.unique(request.newcomers["number"], return_index=True)
    unknown = first[eligibility.rows_of(request.data, request.newcomers["number"][first]) < 0]
    return request.newcomers.gather(unknown) if len(unknown) else empty_table(request.data.kind)


def _index(ascending: npt.NDArray[Any], values: npt.NDArray[Any]) -> I64:
    """Where each value stands in an ascending array; -1 where it does not."""
    if len(ascending) == 0:
        return np.full(len(values), -1, "i8")
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.where(ascending[at] == values, at, -1)
