"""Pair features in both roles, and the logistic model over them, worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.features.chances import like_probabilities, like_probability
from apps.pipeline.ranking.predictions import PAIR_FEATURES, both_ways, pair_features
from apps.pipeline.vocabulary import partner_masks
from tests.pipeline.markets import (
    VOCABULARY,
    member_table,
    place_table,
    random_members,
    random_places,
    vector,
)

ANN = {
    "taste": vector(1.0, 2.0),
    "looks": vector(0.0, 1.0),
    "selectivity": 0.5,
    "appeal": -1.0,
    "birth_date": 19960101,
    "interests": 0b011,
    "skills": 0b1,
    "industries": 0b01,
    "crafts": 0b0001,
}
BOB = {
    "taste": vector(3.0, 1.0),
    "looks": vector(2.0, 0.5),
    "selectivity": -0.25,
    "appeal": 2.0,
    "birth_date": 19860101,
    "interests": 0b110,
    "skills": 0b0,
    "industries": 0b11,
    "crafts": 0b0110,
    "x": 300,
    "y": 400,
}
PARTNERS = partner_masks(VOCABULARY["crafts"])


def features(source, target, **more):
    found = pair_features(member_table([source]), member_table([target]), kind="member", **more)
    return {name: float(column[0]) for name, column in found.items()}


def test_ann_likes_bob_and_bob_likes_ann_are_two_questions():
    ann_bob, bob_ann = features(ANN, BOB, partners=PARTNERS), features(BOB, ANN, partners=PARTNERS)
    assert ann_bob == pytest.approx(
        {
            "affinity": 3.0,  # (1, 2) . (2, .5)
            "selectivity": 0.5,
            "appeal": 2.0,
            "age_gap": 1.0,  # decades by which Bob is older
            "age_gap_squared": 1.0,
            "distance_log": math.log(6),  # 5 km
            "shared_interests": 1.0,
            "shared_skills": 0.0,
            "same_industry": 1.0,
            "complementary_crafts": 1.0,  # acting and directing
        }
    )
    assert bob_ann["affinity"] == pytest.approx(1.0)  # (3, 1) . (0, 1)
    assert (bob_ann["selectivity"], bob_ann["appeal"], bob_ann["age_gap"]) == (-0.25, -1.0, -1.0)


def test_the_features_are_those_that_are_declared():
    members, places = random_members(5, 1), random_places(5, 1)
    assert tuple(pair_features(members, members, kind="member")) == PAIR_FEATURES["member"]
    assert tuple(pair_features(members, places, kind="place")) == PAIR_FEATURES["place"]


@pytest.mark.parametrize("kind", ["member", "place"])
def test_one_row_against_many_is_the_same_as_pair_by_pair(kind):
    viewers, targets = random_members(6, 3), random_members(6, 4) if kind == "member" else random_places(6, 4)
    viewer = viewers.gather(np.array([2]))
    together = pair_features(viewer, targets, kind=kind, partners=PARTNERS)
    repeated = pair_features(viewers.gather(np.full(6, 2)), targets, kind=kind, partners=PARTNERS)
    for name, column in together.items():
        assert column.dtype == np.float32
        np.testing.assert_array_equal(column, repeated[name])


def test_both_ways_at_once_are_the_two_questions():
    viewers, candidates = random_members(6, 3), random_members(9, 4)
    viewer = viewers.gather(np.array([1]))
    for partners in (None, PARTNERS):
        forward, backward = both_ways(viewer, candidates, kind="member", partners=partners)
        for found, one, other in ((forward, viewer, candidates), (backward, candidates, viewer)):
            expected = pair_features(one, other, kind="member", partners=partners)
            assert found.keys() == expected.keys()
            for name, column in expected.items():
                np.testing.assert_array_equal(found[name], column, err_msg=name)


def test_members_of_two_markets_are_at_the_unknown_distance():
    gap = features(ANN, {**BOB, "market": 1})
    assert gap["distance_log"] == pytest.approx(math.log(11))


def test_the_model_is_a_logistic_sum():
    columns = {"affinity": np.array([1.0, -2.0], "f4"), "appeal": np.array([0.5, 0.0], "f4")}
    model = {"intercept": -1.0, "weights": {"affinity": 2.0, "appeal": 1.0, "not_declared": 9.0}}
    expected = [1 / (1 + math.exp(-1.5)), 1 / (1 + math.exp(5.0))]
    np.testing.assert_allclose(like_probability(columns, model), expected, rtol=1e-6)


@given(st.lists(st.floats(width=32), min_size=1, max_size=5), st.floats(), st.floats())
def test_a_probability_is_a_probability(values, intercept, weight):
    found = like_probability(
        {"affinity": np.array(values, "f4")}, {"intercept": intercept, "weights": {"affinity": weight}}
    )
    assert np.all((found > 0) & (found < 1))


@given(seed=st.integers(0, 10_000))
def test_all_at_once_and_each_alone_have_the_chances_that_numpy_gives(seed):
    """What is no number counts 0; both sides in one pass are each of them alone."""
    g = np.random.default_rng(seed)
    names = PAIR_FEATURES["member"]
    values = g.normal(0.0, 10.0 ** g.integers(-3, 3), (2, len(names), 30)).astype("f4")
    values[g.random(values.shape) < 0.05] = g.choice([np.nan, np.inf, -np.inf])
    sides = [dict(zip(names, side, strict=True)) for side in values]
    model = {"intercept": g.normal(), "weights": dict(zip(names[::-1], g.normal(size=10), strict=True))}
    found = like_probabilities(sides, model)
    for side, chances in zip(sides, found, strict=True):
        columns = [np.where(np.isfinite(side[name]), side[name], 0.0) for name in model["weights"]]
        log_odds = model["intercept"] + np.array([*model["weights"].values()]) @ np.array(columns, "f8")
        expected = np.clip(1.0 / (1.0 + np.exp(-np.clip(log_odds, -30.0, 30.0))), 1e-6, 1.0 - 1e-6)
        np.testing.assert_allclose(chances, expected.astype("f4"), rtol=2e-7)
        np.testing.assert_array_equal(chances, like_probability(side, model), strict=True)


def test_nobody_has_no_features():
    empty = place_table([])
    found = pair_features(member_table([ANN]), empty, kind="place")
    assert all(len(column) == 0 for column in found.values())
    assert len(like_probability(found, {"intercept": 0.0, "weights": {}})) == 0
