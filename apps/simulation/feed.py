"""Which cards members saw in the simulated past: half drawn by popularity so far, half at random.

Each card is drawn from several proposals within the right market (and gender); the first that is eligible and
new to the viewer is shown. Pure numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from apps.simulation.log import PairSet, pair_key
from apps.simulation.population import F64, I64, Mask
from apps.simulation.schedule import Sessions

PROPOSALS = 24
SECONDS_PER_CARD = 25

Check = Callable[[I64, I64], Mask]


@dataclass(frozen=True)
class Cards:
    """What was shown: row i is one card."""

    viewer: I64
    target: I64
    position: I64
    at: I64

    def of(self, rows: Mask) -> Cards:
        """Only these rows."""
        return Cards(self.viewer[rows], self.target[rows], self.position[rows], self.at[rows])


@dataclass(frozen=True)
class Shelf:
    """Candidates by group, so that one of a group can be drawn at random or by weight."""

    candidates: I64  # sorted by group
    starts: I64  # [groups + 1]
    weights: F64  # cumulated [candidates + 1]

    def draw(self, group: I64, popular: Mask, u: F64) -> I64:
        """One candidate per row of `group`; -1 where the group is empty."""
        first, last = self.starts[group], self.starts[group + 1]
        uniform = first + (u * (last - first)).astype("i8")
        low, high = self.weights[first], self.weights[last]
        weighted = np.searchsorted(self.weights, low + u * (high - low), side="right") - 1
        row = np.clip(np.where(popular, weighted, uniform), first, np.maximum(last - 1, first))
        return np.where(last > first, self.candidates[np.minimum(row, len(self.candidates) - 1)], -1)


def shelf(group: I64, groups: int, allowed: Mask, weights: F64) -> Shelf:
    """Sorts the allowed candidates by group."""
    rows = np.flatnonzero(allowed)
    rows = rows[np.argsort(group[rows], kind="stable")]
    starts = np.searchsorted(group[rows], np.arange(groups + 1))
    return Shelf(
        rows if len(rows) else np.array([-1]), starts, np.concatenate([[0.0], np.cumsum(weights[rows])])
    )


def draw_cards(
    g: np.random.Generator,
    sessions: Sessions,
    *,
    stock: Shelf,
    groups: Callable[[I64, F64], I64],
    check: Check,
    seen: PairSet,
    popular_share: float,
) -> Cards:
    """The cards of these sessions. `groups(viewers, u)`: which group each proposal comes from."""
    session = np.repeat(np.arange(len(sessions.viewer)), sessions.cards)
    slot = np.arange(len(session)) - np.repeat(np.cumsum(sessions.cards) - sessions.cards, sessions.cards)
    viewer = sessions.viewer[session]
    shape = (len(viewer), PROPOSALS)
    many = np.repeat(viewer, PROPOSALS)
    popular = np.repeat(g.random(len(viewer)) < popular_share, PROPOSALS)
    proposed = stock.draw(groups(many, g.random(many.shape)), popular, g.random(many.shape))
    fits = proposed >= 0
    fits[fits] = check(many[fits], proposed[fits])
    fits[fits] &= ~seen.has(many[fits], proposed[fits])
    first = np.argmax(fits.reshape(shape), axis=1)
    shown = np.flatnonzero(fits.reshape(shape).any(axis=1))
    target = proposed.reshape(shape)[shown, first[shown]]
    # The same card twice in one day: only the first one.
    _, keep = np.unique(pair_key(viewer[shown], target), return_index=True)
    keep.sort()
    rows = shown[keep]
    at = sessions.start[session[rows]] + slot[rows] * SECONDS_PER_CARD
    seen.add(viewer[rows], target[keep])
    return Cards(viewer[rows], target[keep], slot[rows], at)
