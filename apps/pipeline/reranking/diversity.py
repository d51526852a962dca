"""Diversity: the head of the list in the order of maximal marginal relevance (Carbonell and Goldstein, 1998).

Each next candidate is the one with the highest (1 - d) * relevance - d * (likeness to the nearest one already
chosen), d the policy's diversity. Relevance is the score scaled to 0..1 over the head. Likeness is the mean
of how alike two are in embedding (cosine, at least 0) and in attributes (share of common bits, a place's
category being one). The compiled loop is in greedy.py.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import I64, Pool, Request
from apps.pipeline.passes import Passes
from apps.pipeline.reranking.order import Order
from apps.pipeline.rules import U64
from apps.pipeline.table import Table

greedy = Passes("reranking.greedy")

HEAD = 120
NO_LABELS = np.zeros(0, "u1")
ATTRIBUTES = {"member": ("industries", "crafts", "interests"), "place": ("tags",)}


def diversify(request: Request, pool: Pool, order: Order) -> Order:
    """The best ~120, reordered; all below keep their order."""
    share = min(max(request.params.diversity, 0.0), 1.0)
    head, rest = order.positions[:HEAD], order.positions[HEAD:]
    if share == 0.0 or len(head) < 2:
        return order
    chosen = np.empty(len(head), "i8")
    steps = min(len(head), request.limit + request.reserve)
    sets, labels = _attributes(pool.table, head)
    greedy.greedy_order(pool.score[head], pool.table.take("looks", head), sets, labels, share, steps, chosen)
    moved = np.concatenate([head[chosen], rest])
    return Order(moved, np.concatenate([order.propensity[chosen], order.propensity[HEAD:]]))


def _attributes(table: Table, head: I64) -> tuple[U64, npt.NDArray[np.uint8]]:
    """[k, n] sets of attributes, and [n] labels; of members none."""
    columns = ATTRIBUTES[table.kind]
    sets = np.empty((len(columns), len(head)), "u8")
    for i, name in enumerate(columns):
        sets[i] = table.take(name, head)
    return sets, table.take("category", head) if table.kind == "place" else NO_LABELS
