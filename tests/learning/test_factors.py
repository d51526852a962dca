import numpy as np

from apps.learning import quality
from apps.learning.decisions import decisions_of
from apps.learning.factors import factorise
from tests.learning.worlds import two_camps


def test_two_camps_are_found_from_likes_and_passes_alone() -> None:
    _, decisions, camp = two_camps()
    taste, looks = factorise(decisions, len(camp), len(camp))
    affinity = taste @ looks.T
    same = camp[:, None] == camp[None, :]
    assert quality.auc(same.ravel(), affinity.ravel()) > 0.8


def test_a_pass_tells_something_that_silence_does_not() -> None:
    _, decisions, camp = two_camps()
    same = camp[:, None] == camp[None, :]
    with_passes, without = (
        quality.auc(
            same.ravel(),
            (lambda v: v[0] @ v[1].T)(factorise(decisions, len(camp), len(camp), passes=p)).ravel(),
        )
        for p in (True, False)
    )
    assert with_passes > without


def test_the_same_decisions_give_the_same_vectors() -> None:
    _, decisions, camp = two_camps(n=60)
    first, second = (factorise(decisions, len(camp), len(camp)) for _ in range(2))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_whoever_has_no_decision_has_a_vector_of_zeros() -> None:
    taste, looks = factorise(decisions_of([0, 1], [1, 0], [True, False]), 3, 3)
    assert not taste[2].any()
    assert not looks[2].any()


def test_without_a_like_there_is_nothing_to_learn() -> None:
    for decisions in (decisions_of([], [], []), decisions_of([0], [1], [False])):
        taste, looks = factorise(decisions, 2, 2)
        assert not taste.any()
        assert not looks.any()
