"""The compiled look-ups among the eligible agree with plain numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.filters.eligibility import rows_of
from apps.pipeline.retrieval.eligible import find_eligible
from apps.pipeline.retrieval.look_up import mark
from apps.pipeline.retrieval.top import best
from apps.pipeline.sets import positions_in
from tests.pipeline.markets import member_table, random_members, request_for, snapshot_of

SNAPSHOT = snapshot_of(random_members(300, 2, birth_date=19900101))


def positions_of(eligible, numbers):
    """Of each of the numbers, -1 for those who are not eligible."""
    known = positions_in(eligible.rows, rows_of(eligible.data, numbers))
    new = positions_in(eligible.newcomers["number"], numbers)
    return np.where(known >= 0, known, np.where(new >= 0, new + len(eligible.rows), -1))


@given(
    seed=st.integers(0, 10_000),
    asked=st.integers(0, 250),
    most=st.sampled_from([-1, 0, 1, 7, 100, 1000]),
    newcomers=st.sampled_from([0, 3]),
)
@settings(max_examples=80, deadline=None)
def test_who_is_heaviest_agrees_with_a_full_look_up(seed, asked, most, newcomers):
    random = np.random.default_rng(seed)
    new = member_table([{} for _ in range(newcomers)], first_number=1000)
    eligible, _ = find_eligible(request_for(SNAPSHOT, 9, market=0, newcomers=new))
    numbers = np.append(random.permutation(310)[:asked], [1001, 2**31 - 1, -5]).astype("i4")
    weights = random.choice([0.0, 0.5, 1.0, 3.25], len(numbers)).astype("f4")
    without = random.permutation(numbers)[: asked // 4]
    found = positions_of(eligible, numbers)
    assert eligible.find(numbers).tolist() == found.tolist()
    assert eligible.positions_of(numbers).tolist() == found[found >= 0].tolist()
    kept = (found >= 0) & ~np.isin(numbers, without)
    expected = found[kept][best(weights[kept], numbers[kept], most)]
    heaviest = eligible.heaviest(numbers, weights, most, without=without)
    assert heaviest.tolist() == expected.tolist()
    assert heaviest.dtype == np.int64


@pytest.mark.parametrize("odd", [-1, 4])
def test_a_bit_is_set_for_all_or_for_nobody(odd):
    bits = np.array([1, 0, 0, 0], "u4")
    assert mark(np.array([0, 3, 3]), 1 << 31, bits)
    assert bits.tolist() == [1 | 1 << 31, 0, 0, 1 << 31]
    assert not mark(np.array([1, odd]), 2, bits)
    assert bits.tolist() == [1 | 1 << 31, 0, 0, 1 << 31]
