"""Columns of numbers that are numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.features.finite import finite, stacked


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@given(st.lists(st.floats(width=32)))
def test_what_is_no_number_counts_as_the_default_and_the_rest_is_kept(dtype, values):
    column = np.array(values, dtype)
    expected = np.where(np.isfinite(column), column, column.dtype.type(0.25))
    np.testing.assert_array_equal(finite(column, 0.25), expected, strict=True)
    matrix = np.stack([column, column])
    np.testing.assert_array_equal(finite(matrix, 0.25), np.stack([expected, expected]), strict=True)


def test_columns_are_stacked_in_their_order():
    columns = [np.array([1, 2], "f4"), np.array([3, 4], "f4"), np.array([5, 6], "f4")]
    np.testing.assert_array_equal(stacked(columns, 2), np.stack(columns), strict=True)
    assert stacked([], 2).shape == (0, 2)
