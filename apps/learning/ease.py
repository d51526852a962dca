"""Which places go along with those that a member saved or visited: EASE in closed form, market by market.

Takes who went where, gives for each member the places of each market that fit best, as a graph. Nobody's
profile is asked: where profiles say little, those who chose the same say more.

EASE (Steck 2019, Embarrassingly Shallow Autoencoders for Sparse Data): of X, members by places, the weights
B with a diagonal of zeros that minimise |X - XB|^2 + RIDGE |B|^2 are B = -P / diag(P) off the diagonal, where
P = (X'X + RIDGE I)^-1. A member's scores are their row of XB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from apps.learning.graphs import graph_of
from apps.pipeline.contracts import F32, I32
from apps.pipeline.graph import ALIKE_SCORE, NEAREST, Graph

RIDGE = 200.0
MOST_PLACES = 4096  # of a market, those most went to: their Gram matrix is 128 MiB in float64
MOST_ALIKE = 32  # kept of each member and market
ROWS = 4096  # members whose scores are made at once

Numbers = npt.NDArray[Any]


def alike_graph(members: I32, places: I32, *, numbers: I32, markets: npt.NDArray[np.integer[Any]]) -> Graph:
    """Member to the MOST_ALIKE places of each market where they went, without those themselves.

    `members`, `places`: numbers of who went where, each pair as often as one likes. `numbers`, `markets`: of
    the places that may be shown, the first sorted. The weight is NEAREST sqrt(score / ALIKE_SCORE), at most
    NEAREST, rounded to a byte; places of weight 0 are left out.
    """
    pairs = np.unique(np.stack([members, places], axis=1).reshape(-1, 2), axis=0).astype("i4")
    at = np.minimum(np.searchsorted(numbers, pairs[:, 1]), max(len(numbers) - 1, 0))
    known = numbers[at] == pairs[:, 1] if len(numbers) else np.zeros(len(pairs), "?")
    who, row = pairs[known, 0], at[known]
    found = [
        part
        for market in np.unique(markets[row])
        for part in _of_market(who[markets[row] == market], numbers[row[markets[row] == market]])
    ]
    if not found:
        return _bytes(graph_of([], []))
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    return _bytes(graph_of(columns[0], columns[1], columns[2]))


def only_of(graph: Graph, members: I32, places: I32) -> Graph:
    """What a graph says of these members and places."""
    sources = np.repeat(graph.numbers, np.diff(graph.offsets))
    kept = np.isin(sources, members) & np.isin(graph.targets, places)
    return _bytes(graph_of(sources[kept], graph.targets[kept], graph.weights[kept]))


def weights_between(went: csr_matrix, ridge: float = RIDGE) -> F32:
    """B [places, places] of who went where [members, places], zeros and ones."""
    gram = np.asarray((went.T @ went).todense(), "f8")
    gram[np.diag_indices_from(gram)] += ridge
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights, "f4")


def _of_market(members: I32, places: I32) -> Iterator[tuple[I32, I32, Numbers]]:
    """Members, places and weights of one market, some members at a time."""
    known, column, counts = np.unique(places, return_inverse=True, return_counts=True)
    best = np.sort(np.lexsort((known, -counts))[:MOST_PLACES])
    place = np.full(len(known), -1)
    place[best] = np.arange(len(best))
    here = place[column] >= 0
    people, person = np.unique(members[here], return_inverse=True)
    ones = np.ones(int(here.sum()), "f4")
    went = csr_matrix((ones, (person, place[column][here])), (len(people), len(best)))
    weights = weights_between(went)
    for start in range(0, len(people), ROWS):
        some = went[start : start + ROWS]
        scores = np.asarray(some @ weights)
        scores[some.nonzero()] = 0.0
        yield _best(people[start : start + ROWS], known[best], scores)


def _best(people: I32, places: I32, scores: F32) -> tuple[I32, I32, Numbers]:
    told = np.sqrt(np.clip(scores / np.float32(ALIKE_SCORE), 0.0, 1.0))
    weights = np.rint(NEAREST * told).astype("u1")
    most = min(MOST_ALIKE, len(places))
    order = np.argpartition(-scores, most - 1, axis=1)[:, :most]
    who = np.repeat(people, most)
    chosen = np.take_along_axis(weights, order, axis=1).ravel()
    kept = chosen > 0
    return who[kept], places[order.ravel()][kept], chosen[kept]


def _bytes(graph: Graph) -> Graph:
    return Graph(graph.numbers, graph.offsets, graph.targets, np.asarray(graph.weights, "u1"))
