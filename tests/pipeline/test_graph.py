"""The compiled walk agrees with one in plain numpy, bit for bit."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.compiled import STORED
from apps.pipeline.graph import TwoSteps, empty_graph
from tests.pipeline.markets import graph_of

NOBODY = np.zeros(0, "i4")


def two_steps(graph, number, without, most):
    """In plain numpy, with all paths laid out in the order of the walk."""
    near = np.sort(graph.neighbours(number))[:most]
    near = near[~np.isin(near, without) & np.isin(near, graph.numbers)]
    spans = [graph.neighbours(int(n)) for n in near]
    lengths = np.array([len(span) for span in spans], "i8")
    paths = np.concatenate([NOBODY, *spans])
    numbers, place, counts = np.unique(paths, return_inverse=True, return_counts=True)
    rarity = np.bincount(place, np.repeat(1.0 / np.log(np.maximum(lengths, 2)), lengths), len(numbers))
    others = numbers != number
    return TwoSteps(numbers[others], counts[others].astype("f4"), rarity[others].astype("f4"))


def assert_same(found, expected):
    for name in ("numbers", "counts", "adamic_adar"):
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype, name
        assert one.tobytes() == other.tobytes(), name


@given(
    seed=st.integers(0, 10_000),
    people=st.sampled_from([3, 20, 400]),
    edges=st.integers(0, 900),
    symmetric=st.booleans(),
    most=st.sampled_from([0, 1, 5, 500]),
    offsets=st.sampled_from(STORED["offset"]),
)
@settings(max_examples=80, deadline=None)
def test_the_walk_agrees_with_numpy(seed, people, edges, symmetric, most, offsets):
    random = np.random.default_rng(seed)
    ends = (random.random((edges, 2)) ** 2 * people).astype(int)  # some have most of the edges
    graph = graph_of([(int(a) * 7, int(b) * 7) for a, b in ends], symmetric=symmetric)
    graph = replace(graph, offsets=graph.offsets.astype(offsets))
    few, others = (np.unique(random.integers(0, people, 4) * 7).astype("i4") for _ in range(2))
    for number in {0, 7 * int(random.integers(0, people)), 10**9}:
        for gone, untied in ((NOBODY, NOBODY), (few, NOBODY), (few, others)):
            found = graph.two_steps(number, gone=gone, untied=untied, most=most)
            assert_same(found, two_steps(graph, number, [*gone, *untied], most))


def test_the_walk_does_not_depend_on_the_order_of_neighbours():
    graph = graph_of([(1, 2), (1, 3), (2, 4), (3, 4), (3, 5)])
    start, stop = graph.span(1)
    expected = graph.two_steps(1, most=1)
    graph.targets[start:stop] = graph.targets[start:stop][::-1].copy()
    assert graph.neighbours(1).tolist() == [3, 2]
    assert_same(graph.two_steps(1, most=1), expected)
    assert expected.numbers.tolist() == [4]


def test_nobody_is_near_in_a_graph_without_nodes():
    assert len(empty_graph().two_steps(1).numbers) == 0
