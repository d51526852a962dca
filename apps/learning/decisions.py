"""Who decided what about whom, as columns of row numbers, and how to cut them into blocks that never overlap.

Rows are positions in a table of sources (who decides) and of targets (whom it is about), never numbers or
ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import I32, I64, Mask


@dataclass(frozen=True)
class Decisions:
    """One like (or save) or pass per entry, each pair once."""

    source: I32  # [n] row of whoever decided
    target: I32  # [n] row of whom it is about
    liked: Mask  # [n]
    at: I64  # [n] seconds since 1970-01-01 UTC

    def __len__(self) -> int:
        return len(self.source)

    def take(self, which: npt.NDArray[Any]) -> Decisions:
        """The entries of a mask or of positions."""
        return Decisions(self.source[which], self.target[which], self.liked[which], self.at[which])


def decisions_of(
    source: npt.ArrayLike, target: npt.ArrayLike, liked: npt.ArrayLike, at: npt.ArrayLike | None = None
) -> Decisions:
    """Decisions from anything array-like; all at time 0 when no times are given."""
    rows = np.asarray(source, "i4")
    times = np.zeros(len(rows), "i8") if at is None else np.asarray(at, "i8")
    return Decisions(rows, np.asarray(target, "i4"), np.asarray(liked, "?"), times)


def split_by_time(decisions: Decisions, share: float) -> tuple[Decisions, Decisions]:
    """The earlier `share` and the rest. Entries of one second stay together, in the earlier part."""
    if len(decisions) == 0:
        return decisions, decisions
    cut = np.quantile(decisions.at, share)
    earlier = decisions.at <= cut
    return decisions.take(earlier), decisions.take(~earlier)
