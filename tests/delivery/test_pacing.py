"""A simulated day: lists of the best 20 among 600 with noisy scores, a 10 % share target and a floor."""

from collections.abc import Iterator

import numpy as np
import pytest

from apps.delivery.pacing import Shown, Traffic, next_floor, next_share, next_shown, smoothed_spread
from apps.delivery.prices import FLOOR, SHOWN
from apps.pipeline.rules import RuleSpec

TARGET = RuleSpec("segment", "share_target", -1, 0, 0, 2e9, 1, share=0.10, tolerance=0.02)
FLOOR_OF_NEWCOMERS = RuleSpec("newcomers", "floor", -1, 1, 0, 2e9, 1, daily=24, tolerance=0.25)
SEGMENT, NEWCOMERS = slice(0, 30), slice(100, 130)


def a_day(seed: int, lists: float = 20) -> Iterator[tuple[np.ndarray, dict, dict]]:
    """Each minute: places by candidate, and what the two rules said after it."""
    random = np.random.default_rng(seed)
    worth = random.normal(0, 0.05, 600)
    worth[SEGMENT] -= 0.02
    worth[NEWCOMERS] -= 0.04
    share: dict = {}
    floor: dict = {}
    records, spread = np.zeros(30, FLOOR), 0.0
    records["number"] = np.arange(100, 130)
    counts = [max(int(lists * (1 + 0.8 * np.sin(2 * np.pi * minute / 1440))), 2) for minute in range(1440)]
    traffic = Traffic(20.0 * sum(counts[-120:]), 20.0 * sum(counts))
    for n in counts:
        scores = worth + random.normal(0, 0.08, (n, 600))
        scores[:, SEGMENT] += share.get("correction", 0.0)
        scores[:, NEWCOMERS] += records["correction"] * spread
        best = np.argpartition(-scores, 20, axis=1)[:, :20]
        spread = smoothed_spread(spread, float(np.take_along_axis(scores, best, 1).std(1).mean()), 1)
        shown = best.ravel().astype("i4")
        share = next_share(TARGET, share, 1, len(shown), int((shown < 30).sum()), spread)
        traffic = traffic.after(1, len(shown))
        floor = next_floor(FLOOR_OF_NEWCOMERS, floor, records, given(shown, traffic.busyness), spread)
        yield np.bincount(shown, minlength=600), share, floor


def given(numbers: np.ndarray, busyness: float = 1.0) -> Shown:
    nobody = np.zeros(0, "i8")
    return Shown(1.0, numbers, nobody, nobody, busyness)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_is_within_tolerance_after_an_hour_and_does_not_swing(seed: int) -> None:
    places = np.array([counts for counts, _, _ in a_day(seed)])
    hours = np.array([places[i - 60 : i].sum(0) for i in range(60, 1440)])
    shares = hours[:, SEGMENT].sum(1) / hours.sum(1)
    away = np.abs(shares - 0.10) > 0.02
    assert away.mean() <= 0.05
    sides = np.sign(shares - 0.10)[away]
    assert (np.diff(sides) != 0).sum() <= 2  # beyond the tolerance it never goes from side to side
    owed = 24 * hours.sum(1) / places.sum()
    assert (hours[:, NEWCOMERS].sum(1) / 30 < owed * 0.75).mean() <= 0.05
    assert places[:, NEWCOMERS].sum(0).min() >= 24 * 0.75  # each of them, over the day


def test_without_the_pacer_the_day_misses_its_target() -> None:
    random = np.random.default_rng(1)
    worth = random.normal(0, 0.05, 600)
    worth[SEGMENT] -= 0.02
    scores = worth + random.normal(0, 0.08, (2000, 600))
    best = np.argpartition(-scores, 20, axis=1)[:, :20]
    assert (best < 30).mean() < 0.08


def test_thin_traffic_moves_nothing() -> None:
    known = next_share(TARGET, {}, 1, 1000, 20, 0.05)
    after = next_share(TARGET, known, 60, 10, 0, 0.05)
    assert after["frozen"]
    assert (after["lift"], after["integral"]) == (known["lift"], known["integral"])


def test_who_has_enough_is_not_lifted_and_who_has_too_little_is() -> None:
    records = np.zeros(2, FLOOR)
    records["number"], records["count"] = [7, 8], [1000, 0]
    said = next_floor(FLOOR_OF_NEWCOMERS, {}, records, given(np.full(300, 7, "i4")), 0.05)
    assert records["correction"][0] == 0
    assert records["correction"][1] > 0
    assert said["below"] == 1


def test_a_quiet_night_owes_little_of_a_floor_and_a_busy_noon_much() -> None:
    quiet, busy = Traffic(recent=40.0, usual=1440.0), Traffic(recent=240.0, usual=1440.0)
    records = np.zeros((2, 1), FLOOR)
    records["number"], records["count"] = 7, 1.5  # 18 a day at this rate, of 24
    said = [
        next_floor(FLOOR_OF_NEWCOMERS, {}, record, given(np.full(300, 9, "i4"), traffic.busyness), 0.05)
        for record, traffic in zip(records, (quiet, busy), strict=True)
    ]
    assert [round(one["target"]) for one in said] == [8, 48]
    assert records["correction"][0] == 0 < records["correction"][1]
    assert [one["below"] for one in said] == [0, 1]


def test_traffic_is_as_usual_until_something_is_known_and_fades() -> None:
    assert Traffic(0.0, 0.0).busyness == 1.0
    steady = Traffic(120.0, 1440.0)
    for _ in range(500):
        steady = steady.after(1, 1)
    assert steady.busyness == pytest.approx(1.0, abs=0.01)
    assert steady.after(240, 0).busyness < 0.2


def test_newcomers_are_counted_until_they_are_none_and_nobody_else_is() -> None:
    numbers, joined = np.array([1, 2, 3, 4]), np.array([0, 90, 95, 100])
    first = next_shown(b"", np.array([1, 2, 3, 3, 9]), numbers, joined, 103)
    assert np.frombuffer(first, SHOWN).tolist() == [(2, 1), (3, 2), (9, 1)]  # 9 joined after the snapshot
    second = next_shown(first, np.array([3, 4, 9]), numbers, joined, 104)  # two weeks of 2 are over
    assert np.frombuffer(second, SHOWN).tolist() == [(3, 3), (4, 1), (9, 2)]
    known = np.append(numbers, 9), np.append(joined, 101)
    assert np.frombuffer(next_shown(second, np.zeros(0, "i4"), *known, 104), SHOWN).tolist() == [
        (3, 3), (4, 1), (9, 2),
    ]  # fmt: skip
    assert next_shown(second, np.zeros(0, "i4"), *known, 200) == b""
