"""Diversity: the head of the list in the order of maximal marginal relevance (Carbonell and Goldstein, 1998).

Each next candidate is the one with the highest (1 - d) * relevance - d * (likeness to the nearest one already
chosen), d the policy's diversity. Relevance is the score scaled to 0..1 over the head. Likeness is the mean
of how alike two are in embedding (cosine, at least 0) and in attributes (share of common bits).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32, Pool, Request
from apps.pipeline.features.finite import finite
from apps.pipeline.reranking.order import Order
from apps.pipeline.table import Table

HEAD = 120
ATTRIBUTES = {"member": ("industries", "crafts", "interests"), "place": ("tags",)}


def diversify(request: Request, pool: Pool, order: Order) -> Order:
    """The best ~120, reordered; all below keep their order."""
    share = min(max(request.params.diversity, 0.0), 1.0)
    head = order.positions[:HEAD]
    if share == 0.0 or len(head) < 2:
        return order
    from apps.pipeline.reranking.greedy import greedy_order

    chosen = np.empty(len(head), "i4")
    steps = min(len(head), request.limit + request.reserve)
    table = pool.table.pick(head)
    greedy_order(relevance(pool.score[head]), directions(table), common(table), share, steps, chosen)
    moved = np.arange(len(order))
    moved[: len(head)] = chosen
    return Order(order.positions[moved], order.propensity[moved])


def relevance(score: F32) -> F32:
    """Scores scaled to 0..1; all alike: 0."""
    low, high = float(score.min()), float(score.max())
    if high <= low:
        return np.zeros(len(score), "f4")
    return ((score - low) / (high - low)).astype("f4")


def directions(table: Table) -> F32:
    """Embeddings scaled to length 1 [n, d]; one of zeros stays zero, like nobody."""
    vectors = finite(table["looks"])
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.ascontiguousarray(vectors / np.maximum(length, 1e-12)[:, None], "f4")


def common(table: Table) -> F32:
    """Jaccard index of all attribute bits together; 0 when neither has any.

    A place's category counts as a bit.
    """
    both: npt.NDArray[np.float32] = np.zeros((len(table), len(table)), "f4")
    count = np.zeros(len(table), "f4")
    for name in ATTRIBUTES[table.kind]:
        bits = table[name]
        both += np.bitwise_count(bits[:, None] & bits[None, :])
        count += np.bitwise_count(bits)
    if table.kind == "place":
        both += table["category"][:, None] == table["category"][None, :]
        count += 1
    either = count[:, None] + count[None, :] - both
    return np.ascontiguousarray(both / np.maximum(either, 1.0), "f4")
