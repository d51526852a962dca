"""The lane of likes received: exact propensities, its share, and that nobody can tell who is in it."""

import numpy as np
import pytest

from apps.pipeline.contracts import Pool
from apps.pipeline.params import PipelineParams
from apps.pipeline.reranking.exploration import explore
from apps.pipeline.reranking.likes import mix_in_likes
from apps.pipeline.reranking.order import Order, by_score
from tests.pipeline.markets import member_table, request_for, snapshot_of

RUNS = 8_000


def lists(n, limit, likers, *, share=0.2, exploration=0.3, held=(), runs=RUNS):
    """An order per seed of candidates 2 ... n + 1, the best first; those at `likers` like the viewer."""
    table = member_table([{} for _ in range(n + 1)])
    pool = Pool(table.gather(np.arange(1, n + 1)), np.zeros(n, "u4"), score=np.linspace(1, 0, n).astype("f4"))
    params = PipelineParams(likes_share=share, exploration=exploration)
    request = request_for(snapshot_of(table), 1, limit=limit, params=params, liked_by=[i + 2 for i in likers])
    start = Order(by_score(pool).positions, np.ones(n, "f4"), np.array(held, "i8"))
    for seed in range(runs):
        object.__setattr__(request, "seed", seed)
        order = explore(request, pool, mix_in_likes(request, pool, start))
        assert sorted(order.positions.tolist()) == list(range(n))
        yield order


@pytest.mark.parametrize(
    ("n", "limit", "likers", "share", "held"),
    [(12, 4, (6, 9), 0.2, ()), (12, 4, (6,), 0.5, (1,)), (20, 8, (0, 9, 10, 11, 15), 0.1, (0, 3))],
)
def test_frequencies_are_the_logged_propensities(n, limit, likers, share, held):
    counts, logged = np.zeros((n, limit)), np.full((n, limit), np.nan)
    for order in lists(n, limit, likers, share=share, held=held):
        counts[order.positions[:limit], np.arange(limit)] += 1
        logged[order.positions[:limit], np.arange(limit)] = order.propensity[:limit]
    frequency, seen = counts / RUNS, counts > 0
    error = 4 * np.sqrt(frequency * (1 - frequency) / RUNS) + 1e-6
    assert np.all(np.abs(frequency - logged)[seen] <= error[seen])
    assert all(counts[place, place] == RUNS for place in held)


def test_likers_get_the_promised_share_of_places():
    likers = (40, 50, 60, 70)
    orders = lists(120, 20, likers, share=0.1, exploration=0.3, runs=1000)
    given = sum(np.isin(order.positions[:20], likers).sum() for order in orders)
    assert given / 20_000 == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("exploration", [0.05, 0.1, 0.3])
def test_of_those_above_their_score_at_most_half_are_likers_at_every_place(exploration):
    """Who reads the list and knows every score guesses no better than a coin, whatever the policy asks."""
    likers, limit = np.arange(40, 60), 20
    lane, lot = np.zeros(limit), np.zeros(limit)
    for order in lists(120, limit, likers.tolist(), share=0.5, exploration=exploration, runs=3000):
        above = order.positions[:limit] >= limit
        is_liker = np.isin(order.positions[:limit], likers)
        lane += above & is_liker
        lot += above & ~is_liker
    assert lane.sum() / (lane.sum() + lot.sum()) <= 0.5 + 3 * np.sqrt(0.25 / (lane.sum() + lot.sum()))
    expected = lane.sum() / limit  # places tell nothing: chi-square with 19 degrees, 99.9 %
    assert ((lane - expected) ** 2 / expected).sum() < 43.8


def test_without_exploration_as_a_cover_there_is_no_lane():
    for order in lists(30, 5, (9, 12), exploration=0.0, runs=50):
        assert order.positions.tolist() == list(range(30))


def test_a_liker_out_of_the_reach_of_exploration_waits():
    for order in lists(130, 5, (120,), runs=200):
        assert 120 not in order.positions[:5]
