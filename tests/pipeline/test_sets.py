"""Sorted sets are what numpy's set functions make of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.sets import distinct, is_in, positions_in, union

NUMBERS = st.lists(st.integers(-3, 12) | st.sampled_from([-(2**31), 2**31 - 1]), max_size=30).map(
    lambda numbers: np.array(numbers, "i4")
)


@given(numbers=NUMBERS)
def test_each_number_stands_once_in_order(numbers):
    given_first = numbers.copy()
    found = distinct(numbers)
    assert found.dtype == np.int32
    assert found.tolist() == np.unique(numbers).tolist()
    assert numbers.tolist() == given_first.tolist()


@given(sets=st.lists(NUMBERS, min_size=1, max_size=4))
def test_whoever_is_in_one_of_several_sets_is_in_their_union(sets):
    found = union(*(distinct(numbers) for numbers in sets))
    assert found.dtype == np.int32
    assert found.tolist() == np.unique(np.concatenate(sets)).tolist()


@given(numbers=NUMBERS, others=NUMBERS)
def test_who_is_among_others_is_found(numbers, others):
    ordered = distinct(others)
    assert is_in(numbers, ordered).tolist() == np.isin(numbers, others).tolist()
    where = positions_in(ordered, numbers).tolist()
    assert where == [ordered.tolist().index(n) if n in others else -1 for n in numbers.tolist()]
