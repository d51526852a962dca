"""Trips that have not begun: where members will be, and when, by number.

Takes what Postgres says of them, in the background; gives one member's, in the order in which they begin.
They ride in the overlay, so that a request asks nobody.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np

from apps.pipeline.contracts import I32, NOBODY, Trip
from apps.pipeline.trips import MOST_TRIPS
from apps.refresh.whereabouts import Found


@dataclass(frozen=True)
class ComingTrips:
    """Row i of every column is one trip; by number, then by first day."""

    numbers: I32 = field(default_factory=lambda: NOBODY)
    markets: I32 = field(default_factory=lambda: NOBODY)
    first_days: I32 = field(default_factory=lambda: NOBODY)
    last_days: I32 = field(default_factory=lambda: NOBODY)

    def of(self, number: int) -> tuple[Trip, ...]:
        """A member's coming trips, the next one first."""
        if not len(self.numbers):
            return ()
        start, stop = self.numbers.searchsorted(np.array([number, number + 1], "i4")).tolist()
        rows = (self.markets, self.first_days, self.last_days)
        return tuple(Trip(*(int(column[row]) for column in rows)) for row in range(start, stop))

    def reread(self, numbers: Collection[int], found: ComingTrips) -> ComingTrips:
        """With what is now known of these members, and nothing of what was."""
        kept = np.flatnonzero(~np.isin(self.numbers, np.array(list(numbers), "i4")))
        columns = {
            name: np.concatenate([column[kept], getattr(found, name)]).astype("i4")
            for name, column in vars(self).items()
        }
        both = ComingTrips(**columns)
        order = np.lexsort((both.first_days, both.numbers))  # stable: of equals the earlier id stays first
        return replace(both, **{name: column[order] for name, column in vars(both).items()})


def coming_of(rows: Found) -> ComingTrips:
    """Of rows that are sorted by number, first day and id."""
    return (
        ComingTrips(*(np.array(column, "i4") for column in zip(*rows, strict=True)))
        if rows
        else ComingTrips()
    )


def sharing(trips: Collection[Trip], *, today: int, within: int, here: int) -> tuple[Trip, ...]:
    """The next trips, at most MOST_TRIPS, that begin `within` days after `today` (days since 1970-01-01) and
    lead elsewhere than `here`; of several to one market the first."""
    chosen: dict[int, Trip] = {}
    for trip in trips:
        if today < trip.first_day <= today + within and trip.market != here:
            chosen.setdefault(trip.market, trip)
    return tuple(chosen.values())[:MOST_TRIPS]
