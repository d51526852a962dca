"""What was known of a pair when it was decided: features as they were served, else joined as of then.

Takes the present table, the profiles that it replaced, and features that were logged with lists; gives pair
features of decisions. Nobody's profile of today stands for what it was at an earlier decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from apps.learning.decisions import Decisions
from apps.pipeline.contracts import F32, I32, I64
from apps.pipeline.features.between import Partners
from apps.pipeline.ranking.predictions import both_ways, pair_features
from apps.pipeline.ranking.served import LIKES, LIKES_BACK
from apps.pipeline.table import Table, table_from_columns

LONGEST = 86400  # seconds from a list to what was decided of it: later, what it showed is no longer so
PairsOf = tuple[Mapping[str, F32], Mapping[str, F32] | None]  # features, and with the roles swapped


def _nobody() -> I32:
    return np.zeros(0, "i4")


def _never() -> I64:
    return np.zeros(0, "i8")


@dataclass(frozen=True)
class Earlier:
    """Profiles that others replaced: `table[i]` was that of row[i] of the present table until until[i]."""

    table: Table = field(default_factory=lambda: table_from_columns("member", {}, 0))
    row: I32 = field(default_factory=_nobody)
    until: I64 = field(default_factory=_never)  # seconds since 1970

    def __len__(self) -> int:
        return len(self.row)

    def rows_at(self, n: int, rows: I32, at: I64) -> I64:
        """Where the profile of each of `rows` at that moment stands in the n present rows and then these."""
        if not len(self):
            return np.asarray(rows, "i8")
        order = np.lexsort((self.until, self.row))
        row, until = self.row[order].astype("i8"), self.until[order].astype("i8")
        span = np.int64(max(int(until.max()), int(np.max(at, initial=0))) + 1)
        first = np.searchsorted(row * span + until, np.asarray(rows, "i8") * span + at, "right")
        found = np.minimum(first, len(row) - 1)
        replaced_later = (first < len(row)) & (row[found] == rows)
        return np.where(replaced_later, n + order[found], rows).astype("i8")


@dataclass(frozen=True)
class ServedPairs:
    """Logged features of pairs: `columns` by their logged names, row by row, of a list served at `at`.

    Of a pair that is there twice the first counts.
    """

    source: I32 = field(default_factory=_nobody)
    target: I32 = field(default_factory=_nobody)
    at: I64 = field(default_factory=_never)  # seconds since 1970
    columns: Mapping[str, F32] = field(default_factory=dict)

    def over(self, joined: PairsOf, some: Decisions) -> PairsOf:
        """The features of decisions with what was served in place of what was joined."""
        if not len(self.source) or not len(some):
            return joined
        span = np.int64(max(int(self.target.max()), int(some.target.max())) + 1)
        keys = self.source.astype("i8") * span + self.target
        order = np.argsort(keys, kind="stable")
        wanted = some.source.astype("i8") * span + some.target
        at = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
        age = some.at - self.at[at]
        here = np.flatnonzero((keys[at] == wanted) & (age >= 0) & (age <= LONGEST))
        forward, backward = joined
        return (
            self._put(forward, LIKES, here, at[here]),
            None if backward is None else self._put(backward, LIKES_BACK, here, at[here]),
        )

    def _put(self, features: Mapping[str, F32], before: str, here: I64, at: I64) -> dict[str, F32]:
        result = dict(features)
        for name, column in features.items():
            if before + name in self.columns:
                said = self.columns[before + name][at]
                known = ~np.isnan(said)  # of an earlier build that did not log this one
                result[name] = column.copy()
                result[name][here[known]] = said[known]
        return result


NOTHING_EARLIER, NOTHING_SERVED = Earlier(), ServedPairs()


@dataclass(frozen=True)
class Past:
    """Tables with columns learnt before the decisions that are asked about, and what is kept of earlier.

    `sources` and `targets`: present rows (`present` of them), then those of `earlier`.
    """

    sources: Table
    targets: Table
    present: tuple[int, int]
    earlier: tuple[Earlier, Earlier]
    served: ServedPairs = NOTHING_SERVED
    partners: Partners = None

    @classmethod
    def of(cls, sources: Table, targets: Table, partners: Partners = None) -> Past:
        """Of tables that nobody has edited."""
        nothing = (NOTHING_EARLIER, NOTHING_EARLIER)
        return cls(sources, targets, (len(sources), len(targets)), nothing, partners=partners)

    def features(self, some: Decisions) -> PairsOf:
        """Pair features [n] of each decision; in both directions where the targets are members too."""
        (n, m), (of_sources, of_targets) = self.present, self.earlier
        source = self.sources.gather(of_sources.rows_at(n, some.source, some.at))
        target = self.targets.gather(of_targets.rows_at(m, some.target, some.at))
        if target.kind == "place":
            joined: PairsOf = pair_features(source, target, kind="place", partners=self.partners), None
        else:
            joined = both_ways(source, target, kind="member", partners=self.partners)
        return self.served.over(joined, some)
