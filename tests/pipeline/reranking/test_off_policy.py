"""From the lists of one policy what another would be worth: the truth is in the interval as often as it says.

The lists are drawn by the pipeline's own lots, the lane of likes and exploration; what candidates bring at a
place is known here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apps.experiments.off_policy import Worth, worth_of
from apps.pipeline.contracts import Pool, Request
from apps.pipeline.params import PipelineParams
from apps.pipeline.reranking.exploration import explore
from apps.pipeline.reranking.likes import mix_in_likes
from apps.pipeline.reranking.order import by_score as in_order
from tests.pipeline.markets import member_table, request_for, snapshot_of

PEOPLE, PLACES, LISTS, STUDIES = 14, 5, 150, 30
LIKERS = [9, 10, 12]
EXPLORING = PipelineParams(exploration=0.5, likes_share=0.2)


@pytest.fixture(scope="module")
def request_() -> Request:
    snapshot = snapshot_of(member_table([{} for _ in range(PEOPLE + 1)]))
    return request_for(snapshot, 1, limit=PLACES, params=EXPLORING, liked_by=LIKERS)


@pytest.fixture(scope="module")
def log(request_: Request) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[lists, places] who stood there (0 is the best), with which probability, and what they brought."""
    table = request_.data.candidates.gather(np.arange(1, PEOPLE + 1))
    pool = Pool(table, np.zeros(PEOPLE, "u4"), score=np.linspace(1, 0, PEOPLE).astype("f4"))
    orders = []
    for seed in range(LISTS * STUDIES):
        request = replace(request_, seed=seed)
        orders.append(explore(request, pool, mix_in_likes(request, pool, in_order(pool))))
    who = np.array([order.positions[:PLACES] for order in orders])
    chance = np.array([order.propensity[:PLACES] for order in orders], "f8")
    brought = np.random.default_rng(1).random(who.shape) < truth()[who, np.arange(PLACES)]
    return who, chance, brought.astype("f8")


def truth() -> np.ndarray:
    """[people, places] the chance of a like: the last in line are the most liked; further down fewer look."""
    return np.linspace(0.1, 0.9, PEOPLE)[:, None] * np.linspace(1.0, 0.5, PLACES)


def by_score() -> np.ndarray:
    """[people, places] the probability that a policy puts them there: without exploration."""
    return np.eye(PEOPLE, PLACES)


def from_below() -> np.ndarray:
    """Each place to the one five further down."""
    return np.eye(PEOPLE, PLACES, -PLACES)


def half_and_half() -> np.ndarray:
    return (by_score() + from_below()) / 2


def studied(log: tuple[np.ndarray, ...], policy: np.ndarray, start: int, lists: int) -> Worth:
    who, chance, brought = (column[start : start + lists] for column in log)
    other = policy[who, np.arange(PLACES)]
    delivery = np.repeat(np.arange(lists), PLACES)
    found = worth_of(other.ravel(), chance.ravel(), brought.ravel(), delivery)
    assert found is not None
    return found


@pytest.mark.parametrize("policy", [by_score, from_below, half_and_half])
def test_the_interval_holds_the_known_worth_as_often_as_it_says(log, policy) -> None:
    worth = float((policy() * truth()).sum())
    studies = [studied(log, policy(), i * LISTS, LISTS) for i in range(STUDIES)]
    held = sum(study.holds(worth) for study in studies)
    assert held >= 25, f"{held} of {STUDIES} intervals of 95 % hold the truth"  # fewer: once in 300 times
    everything = studied(log, policy(), 0, LISTS * STUDIES)
    assert abs(everything.mean - worth) < 3 * (everything.high - everything.low) / 4


def test_without_propensities_the_estimate_is_wrong(log) -> None:
    """What the lists brought is not what another policy would have: the weights are what makes it so."""
    who, _, brought = log
    worth = float((from_below() * truth()).sum())
    as_it_was = brought.sum(axis=1)
    assert abs(as_it_was.mean() - worth) > 5 * as_it_was.std() / len(who) ** 0.5
    evenly = studied((who, np.full(who.shape, 1 / PEOPLE), brought), from_below(), 0, LISTS * STUDIES)
    assert not evenly.holds(worth)


def test_a_policy_weighed_by_itself_is_what_was_brought() -> None:
    ones = np.ones(6)
    found = worth_of(ones, ones, np.array([1.0, 0, 1, 1, 0, 0]), np.array([0, 0, 1, 1, 2, 2]))
    assert found is not None
    assert (found.mean, found.lists, found.effective) == (1.0, 3, 3.0)


def test_an_impossible_probability_is_refused_and_one_list_tells_nothing() -> None:
    one = np.ones(1)
    with pytest.raises(ValueError, match="above 0"):
        worth_of(one, np.zeros(1), one, np.zeros(1, "i8"))
    assert worth_of(one, one, one, np.zeros(1, "i8")) is None
    assert worth_of(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, "i8")) is None
