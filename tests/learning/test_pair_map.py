import numpy as np
import pytest

from apps.learning.decisions import decisions_of
from apps.learning.pair_map import fit_pair_map, moved, residuals, stands_out


def halves(n: int) -> np.ndarray:
    """Profiles of one column: 0 for the first half, 1 for the second; and the constant."""
    return np.column_stack([np.arange(n) >= n // 2, np.ones(n)]).astype("f4")


def everybody(n: int, m: int, liked: np.ndarray):
    source, target = np.divmod(np.arange(n * m), m)
    return decisions_of(source, target, liked.ravel())


def test_a_value_below_the_noise_is_nothing() -> None:
    # One entry: the noise reaches sqrt(1) + sqrt(1) = 2.
    assert stands_out(np.array([[2.0]]))[0, 0] == 0.0


def test_a_value_above_the_noise_is_shrunk() -> None:
    # beta = 1, y = 3: sqrt((9 - 1 - 1)^2 - 4) / 3 = sqrt(45) / 3 = sqrt(5).
    assert stands_out(np.array([[3.0]]))[0, 0] == pytest.approx(np.sqrt(5))


def test_a_row_of_four_has_its_own_noise() -> None:
    # It reaches 1 + sqrt(4) = 3. Beta = 1/4, y = 4/2 = 2: sqrt(2.75^2 - 1) / 2 times sqrt(4).
    assert not stands_out(np.array([[3.0, 0, 0, 0]])).any()
    assert stands_out(np.array([[4.0, 0, 0, 0]]))[0] == pytest.approx([np.sqrt(6.5625), 0, 0, 0])


def test_noise_alone_leaves_no_map() -> None:
    noise = np.random.default_rng(0).normal(size=(60, 30))
    assert np.abs(stands_out(noise)).sum() < 0.02 * np.abs(noise).sum()


def test_a_residual_is_the_decision_minus_its_probability() -> None:
    found = residuals(decisions_of([0, 0], [0, 1], [True, False]), np.array([0.0, np.log(3.0)]))
    assert found.values == pytest.approx([0.5, -0.75])
    assert found.information == pytest.approx([0.25, 0.1875])


def test_the_map_of_who_likes_their_own_kind() -> None:
    """10 by 10, each half likes its own half: all residuals are 1/2, with the sign of the kind.

    Both profiles, centred, are -1/2 or 1/2: variance 1/4. The information is 100 / 4 = 25, what is seen
    100 * 1/2 * 1/4 = 12.5 and its deviation sqrt(25 / 16) = 1.25: ten times the noise, shrunk to
    sqrt(98^2 - 4) / 10 = 9.798, so a slope of 9.798 / 1.25 = 7.838 and log-odds of a quarter of it.
    """
    x = halves(10)
    same = x[:, None, 0] == x[None, :, 0]
    found = residuals(everybody(10, 10, same), np.zeros(100))
    fit = fit_pair_map(x, x, found, factors=3)
    log_odds = (x @ fit.taste) @ (x @ fit.looks).T
    assert log_odds == pytest.approx(np.where(same, 1.9596, -1.9596), abs=1e-3)
    assert not fit.taste[:, 1:].any()  # one axis is all there is


def test_without_decisions_the_map_is_zero() -> None:
    fit = fit_pair_map(halves(4), halves(6), residuals(decisions_of([], [], []), np.zeros(0)), factors=3)
    assert fit.taste.shape == fit.looks.shape == (2, 3)
    assert not fit.taste.any()


def test_own_decisions_move_a_taste_and_nobody_elses() -> None:
    """Two likes where a half was expected, along one axis: (1/2 + 1/2) / (1/4 + 1/4 + 2) = 0.4."""
    looks = np.array([[1.0, 0.0], [1.0, 0.0]], "f4")
    prior = np.array([[0.0, 3.0], [0.0, 3.0]], "f4")
    found = residuals(decisions_of([1, 1], [0, 1], [True, True]), np.zeros(2))
    taste = moved(prior, looks, found.decisions.source, found.decisions.target, found, 2.0)
    assert taste == pytest.approx(np.array([[0.0, 3.0], [0.4, 3.0]]))


def test_nobody_moves_without_decisions() -> None:
    prior = np.ones((2, 2), "f4")
    found = residuals(decisions_of([], [], []), np.zeros(0))
    same = moved(prior, prior, found.decisions.source, found.decisions.target, found, 2.0)
    assert (same == prior).all()
