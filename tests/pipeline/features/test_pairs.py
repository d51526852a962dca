"""What is said of pairs of rows, held against the same in numpy: bit for bit, one row against many and many
against many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.features import pairs
from apps.pipeline.features.calendar import years_of
from apps.pipeline.features.pairs import partners_of
from tests.pipeline.markets import random_members

sets = st.integers(0, 2**64 - 1)
seeds = st.integers(0, 10_000)
PAIRED = pytest.mark.parametrize(
    "paired", ["one with many", "many with one", "many with many", "with nobody"]
)


def two_tables(seed, paired):
    n, m = {"one with many": (1, 40), "many with one": (40, 1), "many with many": (40, 40)}.get(
        paired, (1, 0)
    )
    g = np.random.default_rng(seed)
    tables = random_members(n, seed), random_members(m, seed + 1)
    for table in tables:
        table["birth_date"][g.random(len(table)) < 0.2] = 0
        for name in ("x", "y"):
            table[name][:] = g.integers(-32768, 32768, len(table))
        table["crafts"][:] = g.integers(0, 2**63, len(table), dtype="u8")
    return tables


@PAIRED
@given(seed=seeds)
def test_ages_are_apart_as_their_years_are(paired, seed):
    source, target = two_tables(seed, paired)
    gap = years_of(source["birth_date"]) - years_of(target["birth_date"])
    known = (source["birth_date"] > 0) & (target["birth_date"] > 0)
    expected = np.where(known, gap, 0.0).astype("f4")
    np.testing.assert_array_equal(pairs.age_gap(source, target), expected, strict=True)


@pytest.mark.parametrize("rows", [(3, 5), (5, 3), (0, 2)])
def test_tables_that_are_no_pairs_are_refused(rows):
    source, target = (random_members(n, 1) for n in rows)
    for said in (
        pairs.age_gap,
        pairs.kilometres,
        lambda *both: pairs.complementary(*both, np.zeros(64, "u8")),
    ):
        with pytest.raises(ValueError, match="rows against"):
            said(source, target)


@PAIRED
@given(seed=seeds)
def test_a_distance_is_that_of_the_plane_of_one_market(paired, seed):
    source, target = two_tables(seed, paired)
    east, north = (source[name].astype("f4") - target[name] for name in ("x", "y"))
    same = source["market"] == target["market"]
    expected = np.where(same, np.hypot(east, north) * np.float32(0.01), np.float32(np.nan))
    np.testing.assert_array_equal(pairs.kilometres(source, target), expected, strict=True)


@PAIRED
@given(seed=seeds)
def test_crafts_that_complement_are_counted(paired, seed):
    source, target = two_tables(seed, paired)
    partners = np.random.default_rng(seed).integers(0, 2**63, 64, dtype="u8")
    needed = partners_of(source["crafts"], partners)
    expected = np.bitwise_count(needed & target["crafts"]).astype("f4")
    np.testing.assert_array_equal(pairs.complementary(source, target, partners), expected, strict=True)


@given(st.lists(st.integers(0, 60)), st.dictionaries(st.integers(0, 60), st.floats(width=32)))
def test_what_is_kept_by_number_is_found(numbers, kept):
    keys = np.array(sorted(kept), "i4")
    values = np.array([kept[key] for key in sorted(kept)], "f4")
    expected = np.array([kept.get(number, 0.0) for number in numbers], "f4")
    found = pairs.look_up(np.array(numbers, "i4"), keys, values)
    np.testing.assert_array_equal(found, expected, strict=True)


@given(st.lists(sets, max_size=5), st.lists(sets, min_size=64, max_size=64))
def test_a_set_of_crafts_has_the_partners_of_each_craft_in_it(crafts: list[int], partners: list[int]) -> None:
    expected = [0] * len(crafts)
    for i, craft in enumerate(crafts):
        for bit in range(64):
            if craft >> bit & 1:
                expected[i] |= partners[bit]

    found = partners_of(np.array(crafts, "u8"), np.array(partners, "u8"))

    assert found.tolist() == expected


def test_the_first_and_the_last_craft_are_not_mixed_up() -> None:
    partners = np.zeros(64, "u8")
    partners[0], partners[63] = 1 << 63, 1 << 5
    assert partners_of(np.array([1, 1 << 63, 2], "u8"), partners).tolist() == [1 << 63, 1 << 5, 0]
