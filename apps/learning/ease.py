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

from apps.learning.graphs import pairs_of
from apps.pipeline.contracts import F32, I32, NOBODY
from apps.pipeline.graph import ALIKE_SCORE, NEAREST, Graph
from apps.pipeline.sets import positions_in

RIDGE = 200.0
MOST_PLACES = 4096  # of a market, those most went to: their Gram matrix is 128 MiB in float64
MOST_ALIKE = 32  # kept of each member and market
ROWS = 256  # members whose scores are made at once: they stay in the processor's cache

Numbers = npt.NDArray[Any]


def alike_graph(members: I32, places: I32, *, numbers: I32, markets: npt.NDArray[np.integer[Any]]) -> Graph:
    """Member to the MOST_ALIKE places of each market where they went, without those themselves.

    `members`, `places`: numbers of who went where, each pair as often as one likes. `numbers`, `markets`: of
    the places that may be shown, the first sorted. The weight is NEAREST sqrt(score / ALIKE_SCORE), at most
    NEAREST, rounded to a byte; places of weight 0 are left out.
    """
    pairs = np.unique(pairs_of(members, places))
    who, where = (pairs >> 32).astype("i4"), (pairs & 0xFFFFFFFF).astype("i4")
    row = positions_in(numbers, where)
    who, row = who[row >= 0], row[row >= 0]
    if not len(row):
        return _graph(NOBODY, NOBODY, np.zeros(0, "u1"))
    by_market = np.argsort(markets[row], kind="stable")
    starts = np.unique(markets[row[by_market]], return_index=True)[1]
    found = [
        part for some in np.split(by_market, starts[1:]) for part in _of_market(who[some], numbers[row[some]])
    ]
    return _graph(*(np.concatenate(column) for column in zip(*found, strict=True)))


def only_of(graph: Graph, members: I32, places: I32) -> Graph:
    """What a graph says of these members and places."""
    sources = np.repeat(graph.numbers, np.diff(graph.offsets))
    kept = np.isin(sources, members) & np.isin(graph.targets, places)
    return _graph(sources[kept], graph.targets[kept], graph.weights[kept])


def weights_between(went: csr_matrix, ridge: float = RIDGE) -> F32:
    """B [places, places] of who went where [members, places], zeros and ones. Raises LinAlgError
    where `ridge` is too small."""
    from scipy.linalg.lapack import dpotrf, dpotri

    gram = np.asarray((went.T @ went).todense(), "f8")
    gram[np.diag_indices_from(gram)] += ridge
    # By Cholesky, in place and over the upper half alone: in less than half the time of an inverse.
    half, failed = dpotrf(gram.T, overwrite_a=True, clean=False)
    if failed:
        raise np.linalg.LinAlgError("not positive definite")
    half, _ = dpotri(half, overwrite_c=True)
    weights: F32 = np.triu(half, 1).astype("f4")
    weights += weights.T
    weights /= -np.diag(half).astype("f4")
    return weights


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
    most = min(MOST_ALIKE, len(places))
    order = np.argpartition(scores, len(places) - most, axis=1)[:, len(places) - most :]
    told = np.sqrt(np.clip(np.take_along_axis(scores, order, axis=1) / np.float32(ALIKE_SCORE), 0.0, 1.0))
    weights = np.rint(NEAREST * told).astype("u1").ravel()
    kept = weights > 0
    return np.repeat(people, most)[kept], places[order.ravel()][kept], weights[kept]


def _graph(who: I32, places: I32, weights: Numbers) -> Graph:
    """Of edges of which none is there twice."""
    order = np.lexsort((places, who))
    who = who[order]
    starts = np.flatnonzero(np.diff(who, prepend=-1))
    return Graph(who[starts], np.append(starts, len(who)), places[order], weights[order])
