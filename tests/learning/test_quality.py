import math

import numpy as np
import pytest

from apps.learning import quality


def test_auc_counts_pairs_in_the_right_order() -> None:
    # Likes at 0.9 and 0.4, passes at 0.5 and 0.4. 0.9 wins both pairs, 0.4 loses one and ties one: 2.5 / 4.
    assert quality.auc([1, 1, 0, 0], [0.9, 0.4, 0.5, 0.4]) == 0.625


def test_auc_of_one_class_means_nothing() -> None:
    assert math.isnan(quality.auc([1, 1], [0.1, 0.2]))
    assert math.isnan(quality.auc([], []))


def test_log_loss_of_a_coin_is_ln_2() -> None:
    assert quality.log_loss([1, 0], [0.5, 0.5]) == pytest.approx(math.log(2))


def test_calibration_error_is_the_mean_gap() -> None:
    # Two bins: predicted 0.2 happened 0, predicted 0.8 happened 0.5: (0.2 + 0.3) / 2.
    assert quality.calibration_error([0, 0, 1, 0], [0.2, 0.2, 0.8, 0.8], bins=2) == pytest.approx(0.25)


def test_the_noise_of_calibration_is_what_perfect_probabilities_show() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(800)
    shown = [quality.calibration_error(rng.random(800) < p, p) for _ in range(100)]
    assert quality.calibration_noise(p) == pytest.approx(np.mean(shown), rel=0.05)
