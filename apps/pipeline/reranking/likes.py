"""The lane of likes received: some places of the list go to people who liked the viewer, found by nobody.

A like moves no score. Instead, of the n places that no rule gave away, on average `share` times n go by lot
to likers from just below the list; exploration gives about as many, by lot, to others from the same stretch.
The share is cut to what exploration covers, so that of all who stand above their score at most half are
likers, at every place alike: whoever reads a list can't do better than a coin. Without exploration, no lane.

With m places given (m fixed but for a fraction drawn), L likers: one of them stands at a given place with
probability E[m] / (n L), and whoever earned that place keeps it with 1 - E[m] / n.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from apps.pipeline.contracts import I64, Pool, Request
from apps.pipeline.reranking.exploration import window
from apps.pipeline.reranking.order import Order, exchanged, generator
from apps.pipeline.sets import distinct, is_in

STREAM = 3


def mix_in_likes(request: Request, pool: Pool, order: Order) -> Order:
    """The order with some places exchanged for likers; exploration leaves them and the displaced alone."""
    if not len(request.viewer.liked_by) or request.params.likes_share <= 0.0:
        return order
    shown, below = window(request, order)
    numbers = pool.table["number"][order.positions[below]]
    likers = below[is_in(numbers, request.viewer.liked_by)]
    if not len(likers):
        return order
    open_to = order.open_places(shown)
    share = share_of(request, len(below) - len(likers), len(open_to))
    if share == 0.0 or not len(open_to):
        return order
    random = generator(request.seed, STREAM)
    wanted = share * len(open_to)
    given = min(int(wanted + random.random()), len(likers))
    expected = _expected(wanted, len(likers))
    places = np.sort(random.permutation(open_to)[:given])
    chosen = random.permutation(likers)[:given]
    return _exchange(order, shown, open_to, likers, (places, chosen), expected)


def share_of(request: Request, others: int, places: int) -> float:
    """The policy's share, or what exploration covers when that is less."""
    explored = min(max(request.params.exploration, 0.0), 1.0) * others / max(others, places, 1)
    return min(max(request.params.likes_share, 0.0), explored / (1.0 + explored))


def _expected(wanted: float, likers: int) -> float:
    """E[m] of m = min(floor(wanted + u), likers), u uniform in [0, 1)."""
    whole = int(wanted)
    rest = wanted - whole
    return (1.0 - rest) * min(whole, likers) + rest * min(whole + 1, likers)


def _exchange(
    order: Order, shown: int, open_to: I64, likers: I64, given: tuple[I64, I64], expected: float
) -> Order:
    """`given`: the places, and the likers who stand there instead."""
    (places, _), n = given, len(open_to)
    apart = order.positions[np.concatenate([places, likers])]
    mixed = exchanged(
        order,
        shown,
        given,
        open_to=open_to,
        below=likers,
        stays=1.0 - expected / n,
        comes=expected / (n * len(likers)),
        stays_below=1.0 - expected / len(likers),
    )
    held = distinct(np.concatenate([order.held, places]))
    return replace(mixed, held=held, mixed_in=places, not_by_lot=apart)
