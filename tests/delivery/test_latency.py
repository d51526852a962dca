"""Which widths a list gets for the time that is left: plain arithmetic, with a clock that the tests turn."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.delivery.latency import FORGOTTEN_SECONDS, LADDER, SMOOTHING, WIDEST, Latency

NAMES = [rung.name for rung in LADDER]
BUDGET = 0.1


class Process:
    """Lists one after the other; each takes `full` seconds at full width, and less further down."""

    def __init__(self) -> None:
        self.latency, self.at = Latency(BUDGET), 100.0

    def list(self, full: float, *, waited: float = 0.0) -> str:
        rung = self.latency.rung(came_at=self.at - waited, at=self.at)
        self.at += full * rung.share
        self.latency.took(rung, full * rung.share, at=self.at)
        return rung.name

    def lists(self, full: float, times: int = 100) -> list[str]:
        return [self.list(full) for _ in range(times)]


def test_the_ladder_narrows_the_heavy_ranker_before_retrieval_and_every_rung_costs_less() -> None:
    assert [(rung.widths.heavy, rung.widths.retrieved) for rung in LADDER] == [
        (120, 0), (60, 0), (0, 0), (0, 200),
    ]  # fmt: skip
    shares = [rung.share for rung in LADDER]
    assert shares == sorted(shares, reverse=True)
    assert len(set(shares)) == len(shares)


def test_a_process_in_time_gives_full_widths() -> None:
    assert set(Process().lists(0.09)) == {"full"}


@pytest.mark.parametrize(("full", "settled"), [(0.11, 1), (0.12, 2), (0.15, 3), (0.9, 3)])
def test_a_slower_process_settles_where_its_lists_are_in_time(full: float, settled: int) -> None:
    process = Process()
    assert set(process.lists(full)[-50:]) == {NAMES[settled]}


def test_growing_slowness_takes_every_step_in_order_and_none_is_left_out_on_the_way_back() -> None:
    process = Process()
    down = [process.list(0.001 * i) for i in range(50, 200)]
    assert list(dict.fromkeys(down)) == NAMES
    back = process.lists(0.01)
    assert list(dict.fromkeys(back)) == NAMES[::-1]
    assert back.index("full") < 3 * SMOOTHING


def test_who_waited_long_in_line_is_ranked_narrower_than_who_did_not() -> None:
    process = Process()
    process.lists(0.05)
    assert [process.list(0.05, waited=w) for w in (0.0, 0.052, 0.058, 0.065)] == NAMES
    assert process.list(0.05, waited=5.0) == NAMES[-1]
    assert process.list(0.05) == "full"


def test_one_hiccup_narrows_nothing() -> None:
    process = Process()
    process.lists(0.01)
    process.list(30.0)
    assert process.list(0.01) == "full"


def test_what_was_slow_is_forgotten_after_a_silence() -> None:
    process = Process()
    assert process.lists(1.0)[-1] == NAMES[-1]
    process.at += FORGOTTEN_SECONDS + 0.01
    assert process.list(0.01) == "full"


@given(st.lists(st.floats(0.0, 60.0), max_size=30), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_whoever_has_less_time_left_is_never_ranked_wider(
    took: list[float], waited: float, more: float
) -> None:
    latency = Latency(BUDGET)
    for seconds in took:
        latency.took(WIDEST, seconds, at=100.0)
    early, late = (latency.rung(came_at=100.0 - w, at=100.0) for w in (waited, waited + more))
    assert LADDER.index(early) <= LADDER.index(late)


def test_threads_lose_no_time_that_was_told() -> None:
    """What many threads told together is what one would have told."""
    alone, shared = Latency(BUDGET), Latency(BUDGET)
    for _ in range(4000):
        alone.took(WIDEST, 0.2, at=100.0)

    def tell() -> None:
        for _ in range(1000):
            shared.took(WIDEST, 0.2, at=100.0)

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for latency in (alone, shared):
        assert latency.rung(came_at=99.98, at=100.0) is LADDER[-1]
        assert latency._expected == pytest.approx(0.2)
