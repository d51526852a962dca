"""EASE in closed form, and what of it a snapshot keeps of each member."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from apps.learning import ease
from apps.learning.ease import alike_graph, only_of, weights_between
from apps.pipeline.graph import ALIKE_SCORE, NEAREST

FOUR = np.array([10, 20, 30, 40], "i4")
ONE_MARKET = np.zeros(4, "i2")


def went(*pairs: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    columns = np.array(pairs, "i4").reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def everybody(times: int, *places: int, first: int = 100) -> list[tuple[int, int]]:
    return [(first + i, place) for i in range(times) for place in places]


def told(graph, member):
    numbers, weights = graph.weighted(member)
    return dict(zip(numbers.tolist(), weights.tolist(), strict=True))


@given(seed=st.integers(0, 10_000), ridge=st.sampled_from([0.5, 5.0, 200.0]))
@settings(max_examples=40, deadline=None)
def test_the_weights_are_the_minimum_with_a_diagonal_of_zeros(seed, ridge):
    """At the minimum the gradient (X'X + ridge I) B - X'X vanishes off the diagonal."""
    x = (np.random.default_rng(seed).random((40, 9)) < 0.3).astype("f8")
    weights = weights_between(csr_matrix(x), ridge).astype("f8")
    assert not np.diag(weights).any()
    gradient = (x.T @ x + ridge * np.eye(9)) @ weights - x.T @ x
    assert np.abs(gradient - np.diag(np.diag(gradient))).max() < 1e-4


def test_two_places_by_hand():
    """X'X = [[2, 1], [1, 2]], ridge 1: B_12 = 1 / (2 + 1)."""
    x = csr_matrix(np.array([[1, 1], [1, 0], [0, 1]], "f4"))
    assert weights_between(x, 1.0) == pytest.approx(np.array([[0, 1 / 3], [1 / 3, 0]]), abs=1e-6)


def test_what_others_combine_is_told_and_what_one_knows_is_not():
    pairs = [*everybody(100, 10, 20), *everybody(100, 30, 40, first=300), (1, 10), (2, 30), (2, 40)]
    graph = alike_graph(*went(*pairs), numbers=FOUR, markets=ONE_MARKET)
    assert set(told(graph, 1)) == {20}
    assert told(graph, 2) == {}
    assert told(graph, 100) == {}  # knows both
    assert told(graph, 9) == {}
    expected = NEAREST * np.sqrt(
        weights_between(csr_matrix([[1.0, 1.0]] * 100 + [[1, 0]]))[0, 1] / ALIKE_SCORE
    )
    assert told(graph, 1)[20] == pytest.approx(min(expected, NEAREST), abs=0.6)
    assert graph.weights.dtype == np.uint8


def test_markets_are_apart_and_places_that_are_not_shown_are_left_out():
    pairs = [*everybody(100, 10, 20, 50), (1, 10), (1, 50)]
    for markets in ([0, 1, 0, 0], [-1, 0, -1, -1]):  # -1: in none
        graph = alike_graph(*went(*pairs), numbers=FOUR, markets=np.array(markets, "i2"))
        assert told(graph, 1) == {}
    assert len(alike_graph(*went(), numbers=FOUR, markets=ONE_MARKET).targets) == 0
    assert len(alike_graph(*went((1, 10)), numbers=FOUR[:0], markets=ONE_MARKET[:0]).targets) == 0


def test_a_pair_counts_once_and_a_member_keeps_the_best(monkeypatch):
    monkeypatch.setattr(ease, "MOST_ALIKE", 1)
    monkeypatch.setattr(ease, "ROWS", 7)  # members of one market in several parts
    pairs = [*everybody(90, 10, 20), *everybody(60, 10, 30, first=300), (1, 10)]
    graph = alike_graph(*went(*pairs, *pairs), numbers=FOUR, markets=ONE_MARKET)
    assert set(told(graph, 1)) == {20}
    assert np.diff(graph.offsets).max() == 1
    once = alike_graph(*went(*pairs), numbers=FOUR, markets=ONE_MARKET)
    assert told(graph, 1) == told(once, 1)


def test_of_a_large_market_those_most_went_to_count(monkeypatch):
    monkeypatch.setattr(ease, "MOST_PLACES", 2)
    pairs = [*everybody(90, 10, 20), *everybody(9, 10, 30, first=300), (1, 10), (2, 30)]
    graph = alike_graph(*went(*pairs), numbers=FOUR, markets=ONE_MARKET)
    assert set(told(graph, 1)) == {20}
    assert told(graph, 2) == {}


def test_what_is_kept_is_of_those_who_are_still_there():
    pairs = [*everybody(100, 10, 20, 30), (1, 10), (2, 10)]
    graph = alike_graph(*went(*pairs), numbers=FOUR, markets=ONE_MARKET)
    kept = only_of(graph, np.array([1], "i4"), np.array([20], "i4"))
    assert (set(told(kept, 1)), told(kept, 2)) == ({20}, {})
    assert told(kept, 1)[20] == told(graph, 1)[20]
    assert kept.weights.dtype == np.uint8
