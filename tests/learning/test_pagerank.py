"""The walk against plain dense numpy, its bounds, and whom it never comes to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.learning import pagerank
from apps.learning.graphs import connections_graph, graph_of
from apps.learning.pagerank import DAMPING, MOST_KEPT, MOST_WALKED, STEPS, pagerank_graph, seeking_each_other
from apps.pipeline.graph import NEAREST, Graph
from tests.pipeline.markets import EVERYBODY, MAN, WOMAN, member_table

NOBODY = np.zeros(0, "i4")
NO_BLOCKS = (NOBODY, NOBODY)


def numbers(*values: int) -> np.ndarray:
    return np.array(values, "i4")


def ties_of(*edges: tuple[int, int], blocks: tuple[np.ndarray, np.ndarray] = NO_BLOCKS) -> Graph:
    pairs = np.array(edges, "i4").reshape(-1, 2)
    everybody = np.arange(1000, dtype="i4")
    a, b = pairs.T
    return connections_graph(a, b, may_look=everybody, may_be_shown=everybody, blocks=blocks)


def weights_of(graph: Graph, number: int) -> dict[int, float]:
    targets, weights = graph.weighted(number)
    return dict(zip(targets.tolist(), weights.tolist(), strict=True))


def dense_walk(steps: np.ndarray, barred: np.ndarray, start: int, length: int) -> np.ndarray:
    """The sum over all walks from `start` of up to `length` steps, with nobody barred for it on the way."""
    here = np.zeros(len(steps))
    here[start] = 1.0
    found = np.zeros(len(steps))
    for step in range(1, length + 1):
        here = here @ steps
        here[barred[start]] = 0.0
        found += (1 - DAMPING) * DAMPING**step * here
    return found


@given(st.integers(2, 12), st.data())
@settings(max_examples=60, deadline=None)
def test_the_sparse_walk_is_the_dense_one(n: int, data: st.DataObject) -> None:
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])
    edges = data.draw(st.lists(pair, min_size=1, max_size=30))
    blocked = np.array(data.draw(st.lists(pair, max_size=4)), "i4").reshape(-1, 2)
    blocks = (blocked[:, 0], blocked[:, 1])
    ties = ties_of(*edges, blocks=blocks)

    allowed, barred = np.zeros((n, n), "?"), np.zeros((n, n), "?")
    for a, b in edges:
        allowed[a, b] = allowed[b, a] = True
    for a, b in blocked:
        barred[a, b] = barred[b, a] = True
    allowed &= ~barred
    steps = allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1)

    graph = pagerank_graph(ties, blocks=blocks)
    for member in range(n):
        walk = dense_walk(steps, barred, member, STEPS)
        whole = dense_walk(steps, barred, member, 60)
        assert np.abs(whole - walk).sum() <= DAMPING**STEPS  # what is cut off
        walk[[member, *np.flatnonzero(allowed[member])]] = 0.0
        found = weights_of(graph, member)
        wanted = {i for i in range(n) if walk[i] > 1e-9}
        assert set(found) == wanted  # at most 12, so none is cut
        for i in wanted:
            assert found[i] == pytest.approx(max(walk[i] / walk.max() * NEAREST, 1), abs=0.51)


def test_the_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(3)
    ties = ties_of(*draw.integers(0, 60, (150, 2)).tolist())
    whole = pagerank_graph(ties, blocks=NO_BLOCKS)
    monkeypatch.setattr(pagerank, "BATCH_PATHS", 1)
    apart = pagerank_graph(ties, blocks=NO_BLOCKS)
    for part in ("numbers", "offsets", "targets", "weights"):
        assert getattr(whole, part).tolist() == getattr(apart, part).tolist()


def test_whoever_is_tied_already_is_not_kept_and_of_the_others_the_nearest() -> None:
    ring = [(1, 2), (2, 3), (2, 4), (4, 5)]
    assert weights_of(pagerank_graph(ties_of(*ring), blocks=NO_BLOCKS), 1) == {3: 255, 4: 255, 5: 64}
    many = [(1, 2), *((2, i) for i in range(3, 30))]
    assert len(weights_of(pagerank_graph(ties_of(*many), blocks=NO_BLOCKS), 1)) == MOST_KEPT


def test_nobody_comes_to_or_over_whom_they_blocked() -> None:
    chain = [(1, 2), (2, 3), (3, 4), (1, 5), (5, 4)]
    for blocks in ((numbers(1), numbers(3)), (numbers(3), numbers(1))):
        found = pagerank_graph(ties_of(*chain[:3], blocks=blocks), blocks=blocks)
        assert weights_of(found, 1) == {}
        assert set(weights_of(found, 2)) == {4}  # others walk on over both
        around = pagerank_graph(ties_of(*chain, blocks=blocks), blocks=blocks)
        assert set(weights_of(around, 1)) == {4}


def test_nobody_comes_over_who_is_hidden() -> None:
    ties = connections_graph(
        numbers(1, 2), numbers(2, 3), may_look=numbers(1, 2, 3), may_be_shown=numbers(1, 3)
    )
    assert weights_of(pagerank_graph(ties, blocks=NO_BLOCKS), 1) == {}


def test_only_those_are_kept_who_seek_each_other() -> None:
    members = member_table(
        [
            {"gender": WOMAN, "seeking": MAN},
            {"gender": WOMAN, "seeking": EVERYBODY},
            {"gender": MAN, "seeking": WOMAN},
            {"gender": MAN, "seeking": MAN},
            {"gender": WOMAN, "seeking": WOMAN},
        ]
    )
    ties = ties_of((1, 2), (2, 3), (2, 4), (2, 5))
    assert set(weights_of(pagerank_graph(ties, blocks=NO_BLOCKS), 1)) == {3, 4, 5}
    kept = pagerank_graph(ties, blocks=NO_BLOCKS, may_fit=seeking_each_other(members))
    assert set(weights_of(kept, 1)) == {3}


def test_a_hub_is_walked_over_some_of_its_edges_and_is_worth_little() -> None:
    """Two members who know a hub of 20,000 reach few of its friends, and whom they share besides first."""
    hub, n = 0, 20_000
    edges = np.array([[hub, i] for i in range(1, n)] + [[1, 2], [2, 3]], "i4")
    a, b = np.concatenate([edges[:, 0], edges[:, 1]]), np.concatenate([edges[:, 1], edges[:, 0]])
    ties = graph_of(a, b)
    nodes = np.arange(n, dtype="i4")
    steps = pagerank.transitions(ties, nodes)
    assert np.diff(steps.indptr).max() == MOST_WALKED
    assert steps[[hub]].sum() == pytest.approx(MOST_WALKED / (n - 1), rel=1e-3)
    graph = pagerank_graph(ties, blocks=NO_BLOCKS)
    assert weights_of(graph, 1)[3] == NEAREST
    assert np.diff(graph.offsets).max() <= MOST_KEPT
    bytes_each = sum(part.nbytes for part in (graph.numbers, graph.offsets, graph.targets, graph.weights)) / n
    assert bytes_each <= 5 * MOST_KEPT + 9
