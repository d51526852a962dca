"""Personalised PageRank: whom a walk from each member over connections and matches reaches most often.

Takes edges by number, gives a Graph of the MOST_KEPT nearest of each who may look; nobody they are tied to
already. Sparse products over batches of members, never a loop over them. A walk goes on with probability
DAMPING, for at most STEPS steps: what longer ones would add is at most DAMPING ** STEPS of all.

A member with more than MOST_WALKED edges is walked over that many of them, drawn by lot; each keeps its share
of all edges, so that a hub's are worth little and the others' are lost, not spread over those that are left.
No row reaches more than MOST_WALKED ** STEPS members, and no batch holds more than BATCH_PATHS paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from apps.learning.graphs import both_ways, pairs_of, strongest
from apps.pipeline.contracts import F32, I32, I64, Mask
from apps.pipeline.graph import NEAREST, Graph, empty_graph
from apps.pipeline.table import Table

DAMPING = 0.5
STEPS = 3
MOST_WALKED = 32
MOST_KEPT = 12  # of 5 bytes each, per member and surface
BATCH_PATHS = 4_000_000  # of 8 bytes each, with two or three copies at a time

Sparse = Any  # scipy.sparse.csr_array: untyped
MayFit = Callable[[I32, I32], Mask]  # numbers of members, and of whom each may be shown


def pagerank_graph(ties: Graph, *, blocks: tuple[I32, I32], may_fit: MayFit | None = None) -> Graph:
    """The nearest of each member of `ties`, with weights of up to NEAREST, relative to the nearest of all.

    `ties`: directed edges to whoever may be shown, without pairs who are blocked. A walk from a member never
    comes to whom they blocked, or who blocked them. `may_fit`: only those are kept of whom it is true.
    """
    nodes = np.union1d(ties.numbers, ties.targets)
    if not len(nodes):
        return empty_graph()
    steps, bars = transitions(ties, nodes), _bars(blocks, nodes)
    found = [_nearest(rows, steps, bars, ties, nodes, may_fit) for rows in _batches(steps)]
    member, near, weight = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _stored(member, near, weight)


def seeking_each_other(members: Table) -> MayFit:
    """Whether the gender of each is one that the other looks for."""
    last = int(members["number"].max(initial=0)) + 1
    gender, seeking = np.zeros(last, "u1"), np.zeros(last, "u1")
    gender[members["number"]], seeking[members["number"]] = members["gender"], members["seeking"]

    def may_fit(viewers: I32, candidates: I32) -> Mask:
        sought = (gender[candidates] & seeking[viewers] != 0) & (gender[viewers] & seeking[candidates] != 0)
        return np.asarray(sought)

    return may_fit


def transitions(ties: Graph, nodes: I32) -> Sparse:
    """[nodes, nodes] where a walk goes next, with which probability; rows of hubs sum to less than 1."""
    from scipy.sparse import csr_array

    degrees = np.diff(ties.offsets)
    row = np.repeat(np.searchsorted(nodes, ties.numbers), degrees).astype("i4")
    column = np.searchsorted(nodes, ties.targets).astype("i4")
    share = np.repeat(1.0 / np.maximum(degrees, 1), degrees).astype("f4")
    if degrees.max(initial=0) > MOST_WALKED:
        by_lot = strongest(row, column, _lots(row, column), MOST_WALKED)
        drawn = np.isin(pairs_of(row, column), pairs_of(by_lot[0], by_lot[1]))
        row, column, share = row[drawn], column[drawn], share[drawn]
    n = len(nodes)
    return csr_array((share, (row, column)), shape=(n, n))


def _nearest(
    rows: I32, steps: Sparse, bars: Sparse, ties: Graph, nodes: I32, may_fit: MayFit | None
) -> tuple[I32, I32, F32]:
    """The last step reaches most and decides little: whom it leaves below the best so far is not sorted."""

    def best(found: Sparse, floors: F32) -> tuple[I32, I32, F32]:
        lengths = np.diff(found.indptr)
        at = np.flatnonzero(found.data >= np.repeat(floors, lengths))
        row = np.searchsorted(found.indptr, at, side="right") - 1
        member, near, weight = nodes[rows[row]], nodes[found.indices[at]], found.data[at]
        pairs = pairs_of(member, near)
        kept = (member != near) & (weight > 0) & ~np.isin(pairs, tied) & ~np.isin(pairs, barred)
        if may_fit is not None:
            kept &= may_fit(member, near)
        return strongest(member[kept], near[kept], weight[kept], MOST_KEPT)

    tied = _tied(ties, nodes[rows])
    here = bars[rows].tocoo()
    barred = pairs_of(nodes[rows[here.row]], nodes[here.col])
    before = walked(rows, steps, bars, STEPS - 1)
    floors = _floors(nodes[rows], *best(before, np.zeros(len(rows), "f4")))
    return best(before @ steps * np.float32(DAMPING), floors)


def walked(rows: I32, steps: Sparse, bars: Sparse, length: int) -> Sparse:
    """[rows, nodes] how often walks of 1 to `length` steps from each row come to each node, in shares of how
    often they come to all ties. A walk ends where its member is barred."""
    first = _allowed(steps[rows], bars[rows])
    found = first
    for _ in range(length - 1):
        found = first + _allowed(found @ steps, bars[rows]) * np.float32(DAMPING)
    return found


def _floors(members: I32, member: I32, near: I32, weight: F32) -> F32:
    """[members] the least of the MOST_KEPT found for each; 0 for those who have fewer."""
    floors = np.zeros(len(members), "f4")
    found, starts, counts = np.unique(member, return_index=True, return_counts=True)
    full = counts == MOST_KEPT
    floors[np.searchsorted(members, found[full])] = weight[starts[full] + MOST_KEPT - 1]
    return floors


def _allowed(at: Sparse, bars: Sparse) -> Sparse:
    return at - at.multiply(bars) if bars.nnz else at


def _tied(ties: Graph, members: I32) -> I64:
    """The pairs of these members, ascending, with everybody they are tied to."""
    at = np.searchsorted(ties.numbers, members)
    span = slice(int(at[0]), int(at[-1]) + 1)
    offsets = ties.offsets[span.start : span.stop + 1]
    owners = np.repeat(ties.numbers[span], np.diff(offsets))
    return pairs_of(owners, ties.targets[int(offsets[0]) : int(offsets[-1])])


def _batches(steps: Sparse) -> Iterator[I32]:
    """Rows with an edge, ascending, as many at a time as have BATCH_PATHS paths; at least one."""
    edges = np.diff(steps.indptr).astype("f8")
    pattern = steps.copy()
    pattern.data = np.ones(len(steps.data), "f4")
    paths, total = edges, edges.copy()
    for _ in range(STEPS - 1):
        paths = pattern @ paths
        total += paths
    rows = np.flatnonzero(edges).astype("i4")
    batch = (np.cumsum(total[rows]) // BATCH_PATHS).astype("i8")
    yield from np.split(rows, np.flatnonzero(np.diff(batch)) + 1)


def _bars(blocks: tuple[I32, I32], nodes: I32) -> Sparse:
    """[nodes, nodes] true between two of whom one blocked the other."""
    from scipy.sparse import csr_array

    a, b = both_ways(blocks)
    known = np.isin(a, nodes) & np.isin(b, nodes)
    at = (np.searchsorted(nodes, a[known]), np.searchsorted(nodes, b[known]))
    bars = csr_array((np.ones(int(known.sum()), "f4"), at), shape=(len(nodes), len(nodes)))
    bars.data[:] = 1.0  # who blocked each other is in it twice
    return bars


def _lots(rows: I32, columns: I32) -> F32:
    """A number per edge that tells nothing about it, and is the same each time."""
    mixed = rows.astype("u8") * np.uint64(0x9E3779B97F4A7C15) + columns.astype("u8")
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed >> np.uint64(40), "f4")


def _stored(member: I32, near: I32, weight: F32) -> Graph:
    """Sorted by member and then by number, with weights in a byte."""
    numbers, starts = np.unique(member, return_index=True)
    counts = np.diff(np.append(starts, len(member)))
    best = np.maximum.reduceat(weight, starts) if len(starts) else weight
    scaled = np.maximum(np.rint(weight / np.repeat(best, counts) * NEAREST), 1).astype("u1")
    order = np.lexsort((near, member))
    offsets = np.append(starts, len(member)).astype("i4" if len(member) < 2**31 else "i8")
    return Graph(numbers.astype("i4"), offsets, near[order].astype("i4"), scaled[order])
