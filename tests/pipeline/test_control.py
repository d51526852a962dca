"""The controller: bounded, slow, without wind-up, and still when it is frozen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.control import Gains, log_odds_error, shortfall_error, step

GAINS = Gains(proportional=0.3, integral=0.1, low=-2.0, high=4.0, most_change=0.25)
ERRORS = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=200)


@given(ERRORS)
def test_corrections_stay_within_bounds_and_move_slowly_whatever_the_errors(errors: list[float]) -> None:
    integral, correction = np.float64(0), np.float64(0)
    for error in errors:
        before = float(correction)
        integral, correction = step(GAINS, error, integral, correction, False)
        assert GAINS.low <= float(correction) <= GAINS.high
        assert GAINS.low <= float(integral) <= GAINS.high
        assert abs(float(correction) - before) <= GAINS.most_change + 1e-12


@given(st.integers(1, 2000))
@settings(deadline=None)
def test_nothing_winds_up_while_the_bound_is_reached(minutes: int) -> None:
    integral, correction = np.float64(0), np.float64(0)
    for _ in range(minutes):
        integral, correction = step(GAINS, 2.0, integral, correction, False)
    for _ in range(40):
        integral, correction = step(GAINS, -2.0, integral, correction, False)
    assert float(correction) < 0.5


@given(st.floats(-10, 10), st.floats(-2, 4), st.floats(-2, 4))
def test_what_is_frozen_stays(error: float, integral: float, correction: float) -> None:
    after = step(GAINS, error, integral, correction, True)
    assert [float(value) for value in after] == [integral, correction]


def test_each_entry_moves_by_itself() -> None:
    _, correction = step(GAINS, [1.0, -1.0, 0.0], np.zeros(3), np.zeros(3), [False, False, False])
    assert np.sign(correction).tolist() == [1, -1, 0]


def test_errors_are_relative() -> None:
    assert float(log_odds_error(0.1, 0.1)) == 0
    assert float(log_odds_error(0.5, 0.25)) == pytest.approx(np.log(3))
    assert shortfall_error([20, 20, 20], [0, 20, 100]).tolist() == [1, 0, -1]
