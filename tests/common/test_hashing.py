"""Shares of viewers by a pure hash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.hashing import bucket, fnv1a_32, in_share, share_of


@pytest.mark.parametrize(
    ("seed", "value", "expected"),
    [
        ("seed", "a", 0.0505),
        ("seed", "b", 0.2696),
        ("foo", "ab", 0.2575),
        ("foo", "def", 0.2019),
        ("89123klj", "8952klfjas09ujkasdf", 0.124),
        ("90850943850283058242805", "123", 0.7516),
        ("()**(%$##$%#$#", '___)((*":&', 0.0128),
    ],
)
def test_buckets_equal_the_published_vectors(seed, value, expected):
    assert bucket(seed, value) == expected


@pytest.mark.parametrize(("text", "expected"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)])
def test_fnv1a_equals_its_published_vectors(text, expected):
    assert fnv1a_32(text) == expected


@given(st.text(max_size=30), st.floats(0, 100), st.floats(0, 100))
def test_raising_a_percentage_only_adds_people(value, one, other):
    low, high = sorted((one, other))
    assert in_share("flag", value, low) <= in_share("flag", value, high)


@given(st.text(max_size=64))
def test_zero_percent_is_nobody_and_a_hundred_everybody(value):
    assert not in_share("flag", value, 0)
    assert in_share("flag", value, 100)


def test_ten_percent_of_many_is_about_ten_percent():
    inside = sum(in_share("flag", f"member-{i}", 10) for i in range(20_000))
    assert 1_850 < inside < 2_150  # five standard deviations are 212


def test_another_salt_deals_everybody_anew():
    both = sum(in_share("a", str(i), 50) and in_share("b", str(i), 50) for i in range(10_000))
    assert 2_250 < both < 2_750


def test_the_very_first_bucket_is_still_nobody_at_zero_percent():
    assert bucket("flag", "m9670") == 0.0
    assert not in_share("flag", "m9670", 0)


def test_a_percentage_holds_exactly_its_buckets():
    assert all(
        sum(i / 10_000 < share_of(hundredths / 100) for i in range(hundredths - 2, hundredths + 2)) == 2
        for hundredths in range(2, 10_000, 7)
    )
