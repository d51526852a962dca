"""What another way of giving places would be worth, told from lists that were given: inverse propensities.

A delivery logs of each place the probability that its candidate stood there (contracts.Slate). Weighted by
the other way's probability over the logged one, each place counts for as much as the other way would have
given it (Horvitz and Thompson 1952), and the sum over a list is an unbiased estimate of the other's worth:

- when every candidate and place that the other way may give could have been given (no probability of 0 where
  its own is more): lists with exploration, and the same ranked pool, release and snapshot;
- when what a candidate brings at a place does not depend on who else is in the list;
- when everything delivered is counted, not only what was seen: caps and the last guard, which drop candidates
  after the draw, must have dropped none at these places (`shortfall`, the trace's `guard`).

Arrays in, numbers out; it asks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.experiments.statistics import F64, I64


@dataclass(frozen=True)
class Worth:
    """Mean worth of a list, with its interval. `effective`: so many lists of equal weight tell as much."""

    mean: float
    low: float
    high: float
    lists: int
    effective: float

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def worth_of(
    other: F64, logged: F64, reward: F64, delivery: I64, *, confidence: float = 0.95
) -> Worth | None:
    """Of places [n]: the other way's probability of the candidate who stood there, the logged one, what they
    brought, and the list they are of (0..lists-1, each with at least one place). None with fewer than two
    lists. ValueError: a logged probability outside (0, 1], so that the estimate would be no estimate.
    """
    from scipy.stats import t

    if len(logged) and not (np.all(logged > 0) and np.all(logged <= 1 + 1e-6)):
        raise ValueError("A place that was given has a probability above 0 and at most 1.")
    weights = other / logged
    lists = int(delivery.max()) + 1 if len(delivery) else 0
    if lists < 2:
        return None
    sums = np.bincount(delivery, weights=weights * reward, minlength=lists)
    mean, error = float(sums.mean()), float(sums.std(ddof=1)) / lists**0.5
    reach = float(t.ppf(0.5 + confidence / 2, lists - 1)) * error
    each = np.bincount(delivery, weights=weights, minlength=lists)
    squares = float((each**2).sum())
    effective = float(each.sum()) ** 2 / squares if squares else 0.0
    return Worth(mean, mean - reach, mean + reach, lists, effective)
