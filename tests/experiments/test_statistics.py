"""Intervals that hold what they say, and small samples worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from apps.experiments.statistics import by_cluster, by_member, sample_ratio

REPEATS = 1000
# Of 1,000 repeats at 5 %, 999 in 1,000 lie within 50 plus or minus 3.3 standard deviations of 6.9.
BY_CHANCE = (27, 73)


def test_the_difference_of_two_small_samples_is_that_worked_out_by_hand():
    found = by_member(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    assert found is not None
    assert (found.control, found.treatment, found.difference, found.units) == (2.0, 4.0, 2.0, (3, 3))
    # variances 1/3 and 4/3, error 1.291, freedom (5/3)^2 / ((1/9 + 16/9) / 2) = 2.941, t = 3.2188
    assert found.high == pytest.approx(2.0 + 1.29099 * 3.2188, abs=1e-3)
    assert found.lift == 1.0
    assert not found.is_clear


def test_a_split_that_fits_is_likely_and_one_that_does_not_is_broken():
    assert sample_ratio([5000, 5000], [0.5, 0.5]).p == 1.0
    fair, off = sample_ratio([5050, 4950], [0.5, 0.5]), sample_ratio([5200, 4800], [0.5, 0.5])
    assert fair.p == pytest.approx(0.3173, abs=1e-3)  # one standard deviation
    assert not fair.is_broken
    assert off.is_broken  # four
    assert sample_ratio([0, 0], [0.5, 0.5]).p == 1.0


@pytest.mark.parametrize("sides", [([], []), ([1.0], [2.0]), ([1.0, 2.0], [3.0])])
def test_too_few_units_give_no_estimate(sides):
    assert by_member(np.array(sides[0]), np.array(sides[1])) is None
    values = np.array([*sides[0], *sides[1]])
    treated = np.array([False] * len(sides[0]) + [True] * len(sides[1]), "?")
    assert by_cluster(values, treated, np.zeros(len(values), "i8")) is None


def test_values_that_never_vary_are_no_difference_for_sure():
    found = by_member(np.zeros(5), np.zeros(5))
    assert found is not None
    assert (found.low, found.high, found.p) == (0.0, 0.0, 1.0)


def test_members_of_one_cluster_each_are_members_by_themselves():
    random = np.random.default_rng(1)
    control, treatment = random.normal(size=400), random.normal(0.3, size=400)
    values = np.concatenate([control, treatment])
    treated = np.repeat([False, True], 400)
    alone, clustered = by_member(control, treatment), by_cluster(values, treated, np.arange(800))
    assert alone is not None
    assert clustered is not None
    assert clustered.difference == pytest.approx(alone.difference)
    assert clustered.high - clustered.low == pytest.approx(alone.high - alone.low, rel=1e-3)


def test_an_experiment_that_changes_nothing_is_called_clear_once_in_twenty():
    random = np.random.default_rng(7)
    clear = 0
    for _ in range(REPEATS):
        found = by_member(random.poisson(1.3, 300).astype("f8"), random.poisson(1.3, 280).astype("f8"))
        clear += found is not None and found.is_clear
    assert BY_CHANCE[0] <= clear <= BY_CHANCE[1]


def test_dealing_markets_needs_the_interval_of_markets_the_naive_one_is_called_clear_far_too_often():
    random = np.random.default_rng(11)
    by_market = naive = 0
    for _ in range(REPEATS):
        markets = np.repeat(np.arange(40), 50)
        moods = random.normal(0, 0.5, 40)  # members of a market go up and down together
        values = random.normal(moods[markets], 1.0)
        treated = np.isin(markets, random.permutation(40)[:20])
        right = by_cluster(values, treated, markets)
        wrong = by_member(values[~treated], values[treated])
        by_market += right is not None and right.is_clear
        naive += wrong is not None and wrong.is_clear
    assert BY_CHANCE[0] <= by_market <= BY_CHANCE[1]
    assert naive > 400


def test_a_real_difference_is_found_and_its_interval_holds_it():
    random = np.random.default_rng(3)
    inside = clear = 0
    for _ in range(200):
        found = by_member(random.poisson(1.0, 2000).astype("f8"), random.poisson(1.15, 2000).astype("f8"))
        assert found is not None
        inside += found.low <= 0.15 <= found.high
        clear += found.is_clear
    assert inside >= 180
    assert clear >= 190
