import numpy as np
import pytest

from apps.learning.decisions import decisions_of
from apps.learning.shrinkage import fit_effects, unshrunk


def test_a_decision_moves_an_effect_by_n_over_n_plus_k_of_the_residual() -> None:
    # At a rate of 1/2 the prior weighs k/4 = 1. Source 0 liked 4 of 4: at the optimum 4 (1 - p) = 1 x s, that
    # is 4 / (1 + e^s) = s, which s = 1.0421 solves. Source 1 mirrors it.
    decisions = decisions_of([0] * 4 + [1] * 4, [2, 3, 4, 5] * 2, [True] * 4 + [False] * 4)
    effects = fit_effects(decisions, 6, 6)
    s = effects.selectivity[0]
    assert s == pytest.approx(1.0421, abs=1e-3)
    assert effects.selectivity[1] == pytest.approx(-s, abs=1e-6)
    assert 4 / (1 + np.exp(s)) == pytest.approx(s, abs=1e-3)


def test_targets_liked_by_half_have_no_appeal() -> None:
    decisions = decisions_of([0] * 4 + [1] * 4, [2, 3, 4, 5] * 2, [True] * 4 + [False] * 4)
    assert fit_effects(decisions, 6, 6).appeal == pytest.approx(np.zeros(6), abs=1e-9)


def test_more_of_the_same_is_shrunk_less() -> None:
    def appeal(n: int) -> float:
        both = decisions_of(range(2 * n), [0] * n + [1] * n, [True] * n + [False] * n)
        return float(fit_effects(both, 2 * n, 2).appeal[0])

    assert 0 < appeal(1) < appeal(4) < appeal(40)


def test_reliability_is_n_over_n_plus_k_at_an_even_rate() -> None:
    # A source at probability 1/2 throughout: information 1/4 each, prior 4 x 1/4: 4/(4 + 4).
    decisions = decisions_of([0] * 4, [1, 2, 3, 4], [True, True, False, False])
    effects = fit_effects(decisions, 1, 5)
    assert effects.selectivity_reliability[0] == pytest.approx(0.5, abs=0.03)
    assert effects.appeal_reliability[0] == 0


def test_whoever_has_no_decisions_keeps_the_prior() -> None:
    decisions = decisions_of([0], [1], [True])
    effects = fit_effects(decisions, 3, 3, appeal_prior=np.array([0.0, 0.0, 0.7]))
    assert effects.appeal[2] == pytest.approx(0.7)
    assert effects.selectivity[2] == 0


def test_appeal_is_not_the_kindness_of_those_who_were_asked() -> None:
    # Target 0 met only people who like everybody, target 1 only people who like nobody.
    # Sources 0-9 are kind, 10-19 are not; 30 others show it.
    source, target, liked = [], [], []
    for person in range(20):
        for other in range(2, 32):
            source.append(person)
            target.append(other)
            liked.append(person < 10)
        source.append(person)
        target.append(0 if person < 10 else 1)
        liked.append(person < 10)
    effects = fit_effects(decisions_of(source, target, liked), 20, 32)
    raw_gap = 2 * np.log(10.5 / 0.5)  # what rates alone would say
    assert abs(effects.appeal[0] - effects.appeal[1]) < raw_gap / 4


@pytest.mark.parametrize("liked", [[], [True], [False], [True] * 5, [False] * 5])
def test_few_or_one_sided_decisions_stay_finite(liked: list[bool]) -> None:
    n = len(liked)
    effects = fit_effects(decisions_of([0] * n, range(n), liked), 1, max(n, 1))
    assert np.isfinite([effects.mean, *effects.selectivity, *effects.appeal]).all()


def test_unshrunk_undoes_the_shrinkage_of_what_is_known() -> None:
    assert unshrunk(np.array([1.0, 0.0]), np.array([0.5, 0.0])).tolist() == [2.0, 0.0]
