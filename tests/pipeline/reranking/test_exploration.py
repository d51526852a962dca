"""Exploration and the random order: the logged propensities are the frequencies, by counting."""

import numpy as np
import pytest

from apps.pipeline.contracts import Pool
from apps.pipeline.params import PipelineParams
from apps.pipeline.reranking import random_order
from apps.pipeline.reranking.exploration import explore
from apps.pipeline.reranking.order import Order, by_score
from apps.pipeline.run import run
from tests.pipeline.markets import member_table, request_for, snapshot_of

RUNS = 8_000


def market(n):
    table = member_table([{} for _ in range(n + 1)])
    snapshot = snapshot_of(table)
    pool = Pool(table.gather(np.arange(1, n + 1)), np.zeros(n, "u4"), score=np.linspace(1, 0, n).astype("f4"))
    return snapshot, pool


@pytest.mark.parametrize(
    ("n", "limit", "share", "held", "kept_out"),
    [
        (6, 3, 0.5, (), 0),
        (6, 3, 1.0, (), 0),
        (4, 3, 0.5, (), 0),
        (8, 2, 0.3, (0,), 0),
        (5, 4, 1.0, (0,), 0),
        (8, 4, 0.5, (1, 3), 0),
        (8, 4, 0.5, (2,), 2),
    ],
)
def test_frequencies_are_the_logged_propensities(n, limit, share, held, kept_out):
    snapshot, pool = market(n)
    counts, logged = np.zeros((n, n)), np.full((n, n), np.nan)
    request = request_for(snapshot, 1, limit=limit, params=PipelineParams(exploration=share))
    object.__setattr__(request, "seed", 0)
    start = Order(by_score(pool).positions, np.ones(n, "f4"), np.array(held, "i8"), kept_out)
    for seed in range(RUNS):
        object.__setattr__(request, "seed", seed)
        order = explore(request, pool, start)
        assert sorted(order.positions.tolist()) == list(range(n))
        counts[order.positions, np.arange(n)] += 1
        logged[order.positions[:limit], np.arange(limit)] = order.propensity[:limit]
    frequency = counts[:, :limit] / RUNS
    seen = counts[:, :limit] > 0
    error = 4 * np.sqrt(frequency * (1 - frequency) / RUNS) + 1e-6
    assert np.all(np.abs(frequency - logged[:, :limit])[seen] <= error[seen])
    assert all(counts[place, place] == RUNS for place in held)
    assert counts[n - kept_out :, :limit].sum() == 0
    assert np.nansum(np.where(seen, logged[:, :limit], 0), axis=0) == pytest.approx(np.ones(limit))


def test_the_reserve_is_logged_with_the_probability_of_standing_in_it():
    snapshot, pool = market(6)
    request = request_for(snapshot, 1, limit=3, params=PipelineParams(exploration=0.5))
    in_reserve, logged = np.zeros(6), np.full(6, np.nan)
    for seed in range(4000):
        object.__setattr__(request, "seed", seed)
        order = explore(request, pool, by_score(pool))
        in_reserve[order.positions[3:]] += 1
        logged[order.positions[3:]] = order.propensity[3:]
    np.testing.assert_allclose(in_reserve / 4000, logged, atol=0.04)


@pytest.mark.parametrize(
    ("share", "n", "limit"), [(0.0, 6, 3), (1.0, 3, 3), (1.0, 3, 9), (0.5, 0, 3), (0.5, 4, 0)]
)
def test_nothing_to_explore_leaves_the_order(share, n, limit):
    snapshot, pool = market(n)
    request = request_for(snapshot, 1, limit=limit, params=PipelineParams(exploration=share))
    order = explore(request, pool, by_score(pool))
    assert order.positions.tolist() == list(range(n))
    assert order.propensity.tolist() == [1.0] * n


def test_every_permutation_of_three_is_equally_random():
    counts = {}
    for seed in range(6000):
        drawn = tuple(random_order.draw(seed, 3, 3).tolist())
        counts[drawn] = counts.get(drawn, 0) + 1
    assert len(counts) == 6
    assert all(880 < count < 1120 for count in counts.values())


def test_a_random_viewer_gets_everybody_eligible_at_one_over_n_without_scores():
    table = member_table([{}, *({"price": i} for i in range(5)), {"birth_date": 0}])
    params = PipelineParams(random_order=True, quotas={"nearest": 1}, exploration=1.0)
    firsts = set()
    for seed in range(60):
        slate = run(request_for(snapshot_of(table), 1, params=params, limit=2, reserve=1, seed=seed))
        firsts.add(int(slate.numbers[0]))
        assert len(set(slate.numbers.tolist())) == 3
        assert slate.propensity.tolist() == pytest.approx([0.2, 0.2, 0.2])
        assert slate.scores.tolist() == [0, 0, 0]
        assert slate.eligible == 5
    assert firsts == {2, 3, 4, 5, 6}
