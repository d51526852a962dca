"""Crafts that complement each other, as sets of bits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.features.pairs import partners_of

sets = st.integers(0, 2**64 - 1)


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
