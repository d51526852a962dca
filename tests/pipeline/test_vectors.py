"""What is stored as bfloat16 is the nearest one, and is read as the very number that was stored."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numba import njit

from apps.pipeline.vectors import DTYPES, decoded, encoded
from apps.pipeline.vectors_loop import as_float

FLOATS = arrays.arrays("f4", st.integers(1, 40), elements=st.floats(width=32))
STEP = 2.0**-7  # between two neighbours from 1 to 2


def stored(*values: float) -> list[int]:
    """As bits."""
    found: list[int] = encoded(np.array(values, "f4"), "bfloat16").tolist()
    return found


def test_the_nearest_is_stored_and_of_two_as_near_the_even_one():
    assert stored(1.0, 1 + STEP, -2.0, 0.0, -0.0) == [0x3F80, 0x3F81, 0xC000, 0x0000, 0x8000]
    assert stored(1 + 0.49 * STEP, 1 + 0.51 * STEP) == [0x3F80, 0x3F81]
    assert stored(1 + 0.5 * STEP, 1 + 1.5 * STEP, -1 - 1.5 * STEP) == [0x3F80, 0x3F82, 0xBF82]
    assert stored(2 - 0.5 * STEP) == [0x4000], "up into the next exponent"


def test_what_is_no_number_stays_none():
    barely = np.array([0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF], "u4").view("f4")  # NaN of any bits
    assert np.isnan(decoded(encoded(barely, "bfloat16"))).all()
    assert stored(np.inf, -np.inf) == [0x7F80, 0xFF80]


@given(values=FLOATS)
def test_no_bfloat16_is_nearer_than_the_one_that_is_stored(values):
    values = values[np.abs(values) < 3e38]
    bits = encoded(values, "bfloat16")
    distance = np.abs(decoded(bits).astype("f8") - values)
    for neighbour in (bits + np.uint16(1), bits - np.uint16(1)):
        other = decoded(neighbour).astype("f8")
        nearer = np.isfinite(other) & (np.abs(other - values) < distance)
        assert not nearer.any()


@pytest.mark.parametrize("name", DTYPES)
@given(values=FLOATS)
def test_what_was_read_is_stored_as_it_was(name, values):
    once = encoded(values, name)
    assert once.dtype == DTYPES[name]
    read = decoded(once)
    assert read.dtype == np.float32
    again = encoded(read, name)
    assert again.tobytes() == once.tobytes()


@pytest.mark.parametrize("name", DTYPES)
@given(values=FLOATS)
def test_a_compiled_pass_reads_each_number_as_everybody_else_does(name, values):
    bits = encoded(values, name)
    read = np.array([as_float(each) for each in bits], "f4")
    compiled = _each_as_float(bits)
    assert read.tobytes() == compiled.tobytes() == decoded(bits).tobytes()


@njit
def _each_as_float(stored):
    read = np.empty(len(stored), np.float32)
    for i in range(len(stored)):
        read[i] = as_float(stored[i])
    return read


def test_there_is_no_third_way():
    with pytest.raises(KeyError):
        encoded(np.zeros(3, "f4"), "float16")
