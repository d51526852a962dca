"""Graphs in compressed rows: who is connected to whom, and which places a member's connections saved.

Takes pairs of numbers; gives apps.pipeline.snapshot.Graph, sorted by number and then by target.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32, I32, I64, NOBODY
from apps.pipeline.graph import Graph

MOST_PLACES = 200  # kept per member: the ones that most connections saved


def graph_of(sources: npt.ArrayLike, targets: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Graph:
    """A graph of directed edges by number; an edge given twice counts once (its weights add up)."""
    a, b = np.asarray(sources, "i8"), np.asarray(targets, "i8")
    keys, inverse = np.unique((a << 32) | b, return_inverse=True)
    sums: npt.NDArray[Any] = np.ones(len(keys), "u1")
    if weights is not None:
        sums = np.bincount(inverse, np.asarray(weights, "f8"), minlength=len(keys)).astype("f4")
    numbers, starts = np.unique((keys >> 32).astype("i4"), return_index=True)
    offsets = np.append(starts, len(keys)).astype("i4" if len(keys) < 2**31 else "i8")
    return Graph(numbers, offsets, (keys & 0xFFFFFFFF).astype("i4"), sums)


def connections_graph(
    a: I32, b: I32, *, may_look: I32, may_be_shown: I32, blocks: tuple[I32, I32] = (NOBODY, NOBODY)
) -> Graph:
    """Edges from whoever may look to whoever may be shown: a hidden member is nobody's mutual connection.

    Pairs of whom one blocked the other have no edge.
    """
    source, target = np.concatenate([a, b]), np.concatenate([b, a])
    keep = np.isin(source, may_look) & np.isin(target, may_be_shown)
    keep &= ~np.isin(pairs_of(source, target), pairs_of(*both_ways(blocks)))
    return graph_of(source[keep], target[keep])


def both_ways(pairs: tuple[I32, I32]) -> tuple[I32, I32]:
    """Every pair in both directions."""
    return np.concatenate([pairs[0], pairs[1]]), np.concatenate([pairs[1], pairs[0]])


def pairs_of(sources: I32, targets: I32) -> I64:
    """One integer per directed pair of numbers."""
    return (sources.astype("i8") << 32) | targets


def friends_places_graph(connections: Graph, savers: I32, places: I32) -> Graph:
    """Member to places that their connections saved, weighted by how many did; at most MOST_PLACES each."""
    from scipy.sparse import csr_matrix

    if len(connections.targets) == 0 or len(savers) == 0:
        return graph_of([], [])
    people, place_numbers = np.unique(connections.targets), np.unique(places)
    known = np.isin(savers, people)
    saved = csr_matrix(
        (
            np.ones(int(known.sum()), "f4"),
            (np.searchsorted(people, savers[known]), np.searchsorted(place_numbers, places[known])),
        ),
        shape=(len(people), len(place_numbers)),
    )
    saved.data[:] = 1.0  # a place saved and visited by one friend is one friend
    edges = csr_matrix(
        (
            np.ones(len(connections.targets), "f4"),
            np.searchsorted(people, connections.targets),
            connections.offsets,
        ),
        shape=(len(connections.numbers), len(people)),
    )
    counted = (edges @ saved).tocoo()
    member, place, weight = strongest(counted.row, counted.col, counted.data, MOST_PLACES)
    return graph_of(connections.numbers[member], place_numbers[place], weight)


def strongest(rows: I32, columns: I32, weights: F32, most: int) -> tuple[I32, I32, F32]:
    """The `most` heaviest entries of each row; ties by column."""
    order = np.lexsort((columns, -weights, rows))
    rows, columns, weights = rows[order], columns[order], weights[order]
    first = np.searchsorted(rows, rows)
    keep = np.arange(len(rows)) - first < most
    return rows[keep], columns[keep], weights[keep]
