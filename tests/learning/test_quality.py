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


def members_alike(seed: int, members: int = 60, each: int = 30):
    """Labels and two scores of members who are alike in themselves: their own level moves all theirs."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(members), each)
    level, signal = rng.normal(size=members)[who], rng.normal(size=len(who))
    liked = rng.random(len(who)) < 1 / (1 + np.exp(-(signal + 1.5 * level)))
    return liked, signal + level, signal, who


def test_the_intervals_of_auc_hold_the_truth_where_labels_of_a_member_are_alike() -> None:
    """Of 150 draws of members about 19 in 20 hold the AUC of a hundred times as many; counted as if each
    label were a draw of its own, too few do."""
    liked, better, plain, who = members_alike(0, members=6000)
    whole, lead = quality.auc(liked, better), quality.auc(liked, better) - quality.auc(liked, plain)
    held = {"by member": 0, "lead": 0, "by label": 0}
    for seed in range(1, 151):
        liked, better, plain, who = members_alike(seed)
        by_member = quality.auc_estimate(liked, better, who)
        assert by_member.value == pytest.approx(quality.auc(liked, better))
        by_label = quality.auc_estimate(liked, better, np.arange(len(who)))
        ours = quality.auc_lead(liked, better, plain, who)
        held["by member"] += by_member.low <= whole <= by_member.high
        held["by label"] += by_label.low <= whole <= by_label.high
        held["lead"] += ours.low <= lead <= ours.high
    assert held["by member"] >= 133
    assert held["lead"] >= 133
    assert held["by label"] < 133


def test_an_auc_by_hand_has_the_interval_of_delong() -> None:
    """One member each, so that it is DeLong's."""
    found = quality.auc_estimate([1, 1, 0, 0], [0.9, 0.4, 0.5, 0.3], [1, 2, 3, 4])
    # Likes at .9 and .4 beat 2 and 1 of the passes; passes at .5 and .3 are beaten by 1 and 2.
    influence = np.array([0.25, -0.25, -0.25, 0.25]) / 2
    half = 1.96 * np.sqrt((influence**2).sum() * 4 / 3)
    assert (found.value, found.low) == (0.75, pytest.approx(0.75 - half))
    assert found.high == pytest.approx(min(0.75 + half, 1.0))


def test_of_one_member_an_interval_says_nothing() -> None:
    found = quality.auc_estimate([1, 0], [0.9, 0.1], [7, 7])
    assert (found.low, found.high) == (0.0, 1.0)


def test_the_interval_of_a_calibration_error_holds_what_is_true_of_all() -> None:
    """Everybody is foretold 0.1 too much, in two bins; members differ by themselves."""
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        who = np.repeat(np.arange(80), 25)
        p = rng.choice([0.3, 0.7], len(who))
        liked = rng.random(len(who)) < p - 0.1 + rng.normal(0, 0.1, 80)[who]
        found = quality.calibration_estimate(liked, p, who, bins=2)
        assert found.value == pytest.approx(quality.calibration_error(liked, p, bins=2))
        held += found.low <= 0.1 <= found.high
    assert 88 <= held <= 100


@pytest.mark.parametrize(("labels", "bins"), [(0, 1), (999, 1), (2_500, 2), (10_000, 10), (1_000_000, 10)])
def test_few_labels_are_cut_into_few_bins(labels: int, bins: int) -> None:
    assert quality.bins_for(labels) == bins
