"""Pins: candidates that the policy puts first, in its order, when they are in the pool (and so eligible)."""

from __future__ import annotations

import numpy as np

from apps.pipeline.contracts import Pool, Request
from apps.pipeline.reranking.order import Order


def pin(request: Request, pool: Pool, order: Order) -> Order:
    """The pinned first; everybody else keeps their order."""
    if not request.params.pins or not len(order):
        return order
    wanted = np.array(list(dict.fromkeys(request.params.pins)), "i8")[: request.limit]
    numbers = pool.table["number"][order.positions]
    at = [np.flatnonzero(numbers == number) for number in wanted]
    first = np.concatenate(at) if at else np.zeros(0, "i8")
    rest = np.delete(np.arange(len(order)), first)
    moved = np.concatenate([first, rest])
    return Order(order.positions[moved], order.propensity[moved], fixed=len(first))
