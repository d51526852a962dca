"""Exploration: some positions go to candidates from just below the list, with exact propensities.

Of the L shown positions each unpinned one is opened with probability e. The W next-best candidates below
the list and S - W blanks, S = max(W, L), are shuffled; the i-th opened position takes the i-th of them, a
blank leaves it as it was. So a candidate below the list stands at a given unpinned position with
probability e / S, and the candidate of that position keeps it with 1 - e W / S. A displaced candidate heads
the reserve.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import I64, Pool, Request
from apps.pipeline.reranking.order import Order, generator

WIDTH = 100  # how far below the list exploration reaches
STREAM = 1


def explore(request: Request, pool: Pool, order: Order) -> Order:
    """The order with some shown positions exchanged for candidates from just below."""
    shown = min(request.limit, len(order))
    below = order.positions[shown : shown + WIDTH]
    share = min(max(request.params.exploration, 0.0), 1.0)
    open_to = np.arange(order.fixed, shown)
    if share == 0.0 or len(below) == 0 or len(open_to) == 0:
        return order
    slots = max(len(below), len(open_to))
    random = generator(request.seed, STREAM)
    opened = open_to[random.random(len(open_to)) < share]
    drawn = random.permutation(slots)[: len(opened)]
    opened, drawn = opened[drawn < len(below)], drawn[drawn < len(below)]
    return _exchange(order, shown, opened, drawn, below, share / slots)


def _exchange(
    order: Order, shown: int, opened: I64, drawn: npt.NDArray[np.int64], below: I64, each: float
) -> Order:
    """Puts `below[drawn]` at `opened`.

    `each`: probability of one candidate from below at one open position.
    """
    stays = 1.0 - each * len(below)
    positions, propensity = order.positions.copy(), order.propensity.copy()
    propensity[order.fixed : shown] = stays
    propensity[shown : shown + len(below)] = 1.0 - each * (shown - order.fixed)
    displaced = positions[opened]
    positions[opened], propensity[opened] = below[drawn], each
    rest = np.delete(np.arange(shown, len(order)), drawn)
    return Order(
        np.concatenate([positions[:shown], displaced, positions[rest]]),
        np.concatenate(
            [propensity[:shown], np.full(len(displaced), 1.0 - stays, "f4"), propensity[rest]]
        ).astype("f4"),
        order.fixed,
    )
