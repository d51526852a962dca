"""Who is dealt what: the published vectors of the scheme, and the shares that come out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.hashing import bucket, fnv1a_32
from apps.experiments.assignment import (
    Layer,
    bucket_ranges,
    choose_variation,
    first_version,
    layer_place,
    layer_seed,
    variation,
)
from apps.pipeline import deal
from apps.pipeline.deal import Deal

PEOPLE = 200_000


@pytest.fixture(scope="module")
def dealt() -> np.ndarray:
    """[members, 4] places of 200,000 ids in two experiments and two layers."""
    deck = deal.pack([Deal(f"{name}:1", [], layer=layer_seed(name)) for name in ("first", "second")])
    return np.array([places(deck, f"member-{i}").ravel() for i in range(PEOPLE)])


def places(deck: deal.Deck, value: str) -> np.ndarray:
    return deal.dealt(deck, value, met=np.zeros(0, "u8"))[1:]


# From the test cases that GrowthBook's SDKs share (cases.json: hash, getBucketRange).
@pytest.mark.parametrize(
    ("seed", "value", "version", "expected"),
    [
        ("", "a", 1, 0.22), ("", "b", 1, 0.077), ("b", "a", 1, 0.946), ("ef", "d", 1, 0.652),
        ("asdf", "8952klfjas09ujk", 1, 0.549), ("", "123", 1, 0.011), ("", '___)((*":&', 1, 0.563),
        ("seed", "a", 2, 0.0505), ("seed", "b", 2, 0.2696), ("foo", "ab", 2, 0.2575),
        ("foo", "def", 2, 0.2019),
        ("89123klj", "8952klfjas09ujkasdf", 2, 0.124), ("90850943850283058242805", "123", 2, 0.7516),
        ("()**(%$##$%#$#", '___)((*":&', 2, 0.0128), ("feature", "123", 2, 0.5231),
        ("feature", "123", 1, 0.863), ("feature", "456", 1, 0.178), ("feature", "fds", 1, 0.514),
    ],
)  # fmt: skip
def test_both_hashes_equal_the_published_vectors(seed, value, version, expected):
    assert (bucket if version == 2 else first_version)(seed, value) == expected
    if version == 2:
        assert places(deal.pack([Deal(seed, [])]), value)[0, 0] == expected
    elif seed:  # no layer has an empty one
        assert places(deal.pack([Deal("", [], layer=seed)]), value)[1, 0] == expected


@pytest.mark.parametrize(
    ("coverage", "weights", "expected"),
    [
        (1.0, [0.5, 0.5], [(0, 0.5), (0.5, 1)]),
        (0.5, [0.5, 0.5], [(0, 0.25), (0.5, 0.75)]),
        (0.0, [0.5, 0.5], [(0, 0), (0.5, 0.5)]),
        (1.0, [0.25] * 4, [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]),
        (1.0, [0.4, 0.6], [(0, 0.4), (0.4, 1)]),
        (0.2, [0.2, 0.3, 0.5], [(0, 0.04), (0.2, 0.26), (0.5, 0.6)]),
        (1.0, [0.4, 0.5999], [(0, 0.4), (0.4, 0.9999)]),
    ],
)
def test_ranges_equal_the_published_vectors(coverage, weights, expected):
    assert np.array(bucket_ranges(weights, coverage)) == pytest.approx(np.array(expected, "f8"))


def test_the_shares_of_200000_ids_lie_within_binomial_bounds(dealt):
    for weights, coverage in (([0.5, 0.5], 1.0), ([0.2, 0.3, 0.5], 0.4)):
        ranges = bucket_ranges(weights, coverage)
        for weight, (low, high) in zip(weights, ranges, strict=True):
            share = weight * coverage
            found = int(((dealt[:, 0] >= low) & (dealt[:, 0] < high)).sum())
            # 4.4 standard deviations: one in 100,000 tests by chance
            assert abs(found - PEOPLE * share) < 4.4 * (PEOPLE * share * (1 - share)) ** 0.5


@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, 2), (2, 3)])
def test_two_experiments_and_two_layers_are_independent(dealt, one, other):
    from scipy.stats import chi2_contingency

    table, _, _ = np.histogram2d(dealt[:, one], dealt[:, other], bins=10, range=[[0, 1], [0, 1]])
    assert chi2_contingency(table).pvalue > 1e-4


def test_experiments_side_by_side_in_a_layer_never_share_anybody(dealt):
    first, second = Layer("first", 0.0, 0.4), Layer("first", 0.4, 1.0)
    for i in range(2000):
        assert first.holds(f"member-{i}") != second.holds(f"member-{i}")


@given(st.text(max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_covering_more_never_moves_anybody_to_another_variant(value, one, other):
    less, more = sorted((one, other))
    before = variation(value, seed="s", ranges=bucket_ranges([0.5, 0.5], less))
    after = variation(value, seed="s", ranges=bucket_ranges([0.5, 0.5], more))
    assert before in (-1, after)


@pytest.mark.parametrize(("weights", "coverage"), [([0.5, 0.4], 1.0), ([0.5, 0.5], 1.2), ([1.2, -0.3], 1.0)])
def test_weights_that_do_not_add_up_are_refused(weights, coverage):
    with pytest.raises(ValueError, match="add up"):
        bucket_ranges(weights, coverage)


def test_an_id_outside_the_layer_gets_nothing():
    inside = Layer("first", 0.0, 1.0)
    assert variation("m", seed="s", ranges=[(0.0, 1.0)], layer=inside) == 0
    place = layer_place("first", "m")
    outside = Layer("first", 0.0, place)
    assert variation("m", seed="s", ranges=[(0.0, 1.0)], layer=outside) == -1
    assert fnv1a_32("") == 2166136261
    assert choose_variation(bucket("s", "m"), []) == -1
