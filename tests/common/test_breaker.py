"""The breaker as a state machine: whatever happens to it, in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.common.breaker import Breaker, Friend, State

REST = 1.0
STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "answer", "fail"]), st.floats(0, 3, allow_nan=False)), max_size=60
)


def walked(steps: list[tuple[str, float]], limit: int = 3) -> list[tuple[Breaker, str, float, bool]]:
    """Each step: the breaker before it, what happened, when, and whether a caller was let through."""
    breaker, now, seen = Breaker(limit), 0.0, []
    for step, seconds in steps:
        now += seconds
        before, allowed = breaker, False
        if step == "ask":
            breaker, allowed = breaker.asked(now, REST)
        else:
            breaker = breaker.answered() if step == "answer" else breaker.failed(now)
        seen.append((before, step, now, allowed))
    return seen


@given(STEPS)
def test_a_closed_breaker_lets_everybody_through(steps: list[tuple[str, float]]) -> None:
    assert all(allowed for b, step, _, allowed in walked(steps) if step == "ask" and b.state is State.CLOSED)


@given(STEPS)
def test_an_open_breaker_lets_one_through_after_a_rest_and_nobody_before(
    steps: list[tuple[str, float]],
) -> None:
    for before, step, now, allowed in walked(steps):
        if step == "ask" and before.state is not State.CLOSED:
            assert allowed == (now - before.since >= REST)


@given(STEPS, st.integers(1, 5))
def test_it_opens_at_the_limit_of_failures_in_a_row_and_not_before(
    steps: list[tuple[str, float]], limit: int
) -> None:
    in_a_row = 0
    for before, step, _, _ in walked(steps, limit):
        assert (before.state is State.CLOSED) == (in_a_row < limit)
        in_a_row = {"ask": in_a_row, "answer": 0, "fail": in_a_row + 1}[step]


@given(STEPS)
def test_one_answer_closes_it_whatever_was_before(steps: list[tuple[str, float]]) -> None:
    walk = walked([*steps, ("answer", 0.0), ("ask", 0.0)])
    assert walk[-1][3]


@given(STEPS)
def test_it_never_stays_shut_for_good(steps: list[tuple[str, float]]) -> None:
    """Even when the one who tried it last died without a word."""
    assert walked([*steps, ("ask", 1.001 * REST)])[-1][3]  # sums of seconds are rounded


def test_a_trial_that_fails_opens_it_again_at_once() -> None:
    breaker = Breaker(limit=3, state=State.OPEN, failures=3, since=0.0)
    trying, allowed = breaker.asked(1.0, REST)
    assert allowed
    assert trying.state is State.HALF_OPEN
    assert trying.failed(1.1).state is State.OPEN
    assert not trying.failed(1.1).asked(2.0, REST)[1]


def test_an_impatient_caller_forestalls_the_patient_ones() -> None:
    friend = Friend("somebody", limit=1)
    friend.failed()
    assert friend.state is State.OPEN
    assert not friend.may_be_asked(rest=2.0)
    assert friend.may_be_asked(rest=0.0)
    friend.failed()
    assert not friend.may_be_asked(rest=2.0)
    friend.may_be_asked(rest=0.0)
    friend.answered()
    assert friend.is_there
    assert friend.opened == 1
