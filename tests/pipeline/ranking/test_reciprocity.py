"""Phi: worked-out numbers, and what every rule promises for all p, q and weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.ranking.reciprocity import RULES, combine

PROBABILITY = st.floats(0, 1)
ANY_RULE = st.sampled_from(sorted(RULES))


def one(p, q, rule, weight=0.5):
    return float(combine(np.array([p], "f4"), np.array([q], "f4"), rule=rule, weight=weight)[0])


@pytest.mark.parametrize(
    ("rule", "weight", "expected"),
    [
        ("harmonic", 0.5, 0.32),  # 2 * .2 * .8 / (.2 + .8)
        ("geometric", 0.5, 0.4),  # sqrt(.16)
        ("product", 0.5, 0.16),
        ("viewer_only", 0.5, 0.8),
        ("harmonic", 0.0, 0.8),
        ("harmonic", 1.0, 0.2),
        ("geometric", 1.0, 0.2),
        ("product", 0.0, 0.64),
    ],
)
def test_four_fifths_and_one_fifth(rule, weight, expected):
    assert one(0.8, 0.2, rule, weight) == pytest.approx(expected, rel=1e-6)


@given(p=PROBABILITY, q=PROBABILITY, rule=ANY_RULE, weight=PROBABILITY)
def test_every_rule_is_its_formula(p, q, rule, weight):
    p, q = np.float64(np.float32(p)), np.float64(np.float32(q))
    geometric = p ** (1 - weight) * q**weight
    expected = {
        "harmonic": 1 / ((1 - weight) / max(p, 1e-12) + weight / max(q, 1e-12)),
        "geometric": geometric,
        "product": geometric**2,
        "viewer_only": p,
    }
    assert one(p, q, rule, weight) == pytest.approx(min(expected[rule], 1.0), rel=2e-7)


@given(p=PROBABILITY, q=PROBABILITY, rule=ANY_RULE, weight=PROBABILITY)
def test_phi_stays_within_zero_and_one(p, q, rule, weight):
    assert 0 <= one(p, q, rule, weight) <= 1


@given(p=PROBABILITY, q=PROBABILITY, more=PROBABILITY, rule=ANY_RULE, weight=PROBABILITY)
def test_phi_never_falls_when_a_side_rises(p, q, more, rule, weight):
    higher = min(p + more, 1.0)
    assert one(higher, q, rule, weight) >= one(p, q, rule, weight) - 1e-6
    assert one(q, higher, rule, weight) >= one(q, p, rule, weight) - 1e-6


@given(p=PROBABILITY, q=PROBABILITY, rule=st.sampled_from(["harmonic", "product", "geometric"]))
def test_phi_is_symmetric_at_even_weights(p, q, rule):
    assert one(p, q, rule) == pytest.approx(one(q, p, rule), abs=1e-6)


@given(p=st.floats(width=32), q=st.floats(width=32), rule=ANY_RULE, weight=PROBABILITY)
def test_no_number_however_odd_gives_a_nan(p, q, rule, weight):
    assert 0 <= one(p, q, rule, weight) <= 1


def test_an_unknown_rule_is_refused():
    with pytest.raises(KeyError):
        one(0.5, 0.5, "arithmetic")
