"""Exploration: some positions go to candidates from just below the list, with exact propensities.

Of the shown positions each of the L that no rule gave away is opened with probability e. The W next-best
candidates below the list, without those whom a rule keeps out, and S - W blanks, S = max(W, L), are shuffled;
the i-th opened position takes the i-th of them, a blank leaves it as it was. So a candidate below the list
stands at a given one of those positions with probability e / S, and the candidate of that position keeps it
with 1 - e W / S. A displaced candidate heads the reserve. Where the lane of likes (likes.py) may have given
places before, all this happens with the probability that it left the position alone.
"""

from __future__ import annotations

import numpy as np

from apps.pipeline.contracts import I64, Pool, Request
from apps.pipeline.reranking.order import Order, exchanged, generator
from apps.pipeline.sets import distinct, is_in

WIDTH = 100  # how far below the list exploration reaches
STREAM = 1


def explore(request: Request, pool: Pool, order: Order) -> Order:
    """The order with some shown positions exchanged for candidates from just below."""
    shown, below = window(request, order)
    if len(order.not_by_lot):
        below = below[~is_in(order.positions[below], distinct(order.not_by_lot))]
    share = min(max(request.params.exploration, 0.0), 1.0)
    open_to = order.open_places(shown)
    if share == 0.0 or len(below) == 0 or len(open_to) == 0:
        return order
    slots = max(len(below), len(open_to) + len(order.mixed_in))
    random = generator(request.seed, STREAM)
    opened = open_to[random.random(len(open_to)) < share]
    drawn = random.permutation(slots)[: len(opened)]
    taken = drawn < len(below)
    return _exchange(order, shown, open_to, below, (opened[taken], below[drawn[taken]]), share / slots)


def window(request: Request, order: Order) -> tuple[int, I64]:
    """How many are shown, and the entries just below from which places given by lot are filled."""
    shown = max(min(request.limit, len(order)), 0)
    return shown, np.arange(shown, max(shown, min(shown + WIDTH, len(order) - order.kept_out)))


def _exchange(
    order: Order, shown: int, open_to: I64, below: I64, given: tuple[I64, I64], each: float
) -> Order:
    """`given`: the places, and the entries from below that stand there instead.

    `each`: probability of one candidate from below at one open position that was left alone until here.
    """
    left_alone = float(order.propensity[open_to[0]])
    return exchanged(
        order,
        shown,
        given,
        open_to=open_to,
        below=below,
        stays=left_alone * (1.0 - each * len(below)),
        comes=each * left_alone,
        stays_below=1.0 - each * left_alone * (len(open_to) + len(order.mixed_in)),
    )
