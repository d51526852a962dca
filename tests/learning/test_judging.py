"""What a report says of a prediction: by group, over the light one, and whether it is held to its bound."""

import numpy as np
import pytest

from apps.learning.decisions import Decisions, decisions_of
from apps.learning.judged_rows import (
    GROUPED,
    JUDGED,
    PREDICTED,
    grouped_rows,
    judged,
    judged_rows,
    predicted_rows,
)
from apps.learning.judging import BOUND, PREDICTIONS, Grouping, Groups, holds, judge
from apps.pipeline.table import table_from_columns

DAY = 86400
MEMBERS, TODAY = 400, 20_000
NOTHING = decisions_of([], [], [])


def said_of(n: int, chance, seed: int = 0) -> Decisions:
    """n decisions of members in turn, liked with `chance(source)`, on this day."""
    source = np.arange(n) % MEMBERS
    liked = np.random.default_rng(seed).random(n) < chance(source)
    return decisions_of(source, (source + 1) % MEMBERS, liked, np.full(n, TODAY * DAY))


def groups_of(before: Decisions = NOTHING, **more: Grouping) -> Groups:
    joined = np.where(np.arange(MEMBERS) < 100, TODAY - 27, TODAY - 28)
    return Groups.of(table_from_columns("member", {"joined_day": joined}, MEMBERS), before, more)


def test_a_group_that_is_foretold_wrong_is_seen_where_all_together_are_right():
    """Half of the members are in the north; there it happens at 0.2, elsewhere at 0.6, foretold as 0.4."""
    north = Grouping(("north", "south"), (np.arange(MEMBERS) % 2).astype("i4"))
    labels = said_of(20_000, lambda who: np.where(who % 2, 0.6, 0.2))
    report = judge(labels, np.full(len(labels), 0.4, "f4"), groups_of(market=north))
    assert report["calibration_error"] < 0.03
    for name in ("market: north", "market: south"):
        one = report["by_group"][name]
        assert one["calibration_error"] == pytest.approx(0.2, abs=0.03)
        assert (one["decisions"], one["members"]) == (10_000, 200)
        assert one["calibration_low"] > 0.15
    assert holds(report["by_group"]["market: north"]) == "no"


def test_a_member_counts_as_new_by_the_day_of_their_decision_and_by_what_they_had_decided():
    before = decisions_of(np.repeat(np.arange(200), 20), np.zeros(4000), np.ones(4000))
    labels = said_of(8_000, lambda who: np.full(len(who), 0.5))
    found = judge(labels, np.full(8_000, 0.5, "f4"), groups_of(before))["by_group"]
    assert {name: one["decisions"] for name, one in found.items()} == {
        "membership: under 28 days": 2_000,
        "membership: 28 days and more": 6_000,
        "decided before: under 20": 4_000,
        "decided before: 20 to 99": 4_000,
    }


@pytest.mark.parametrize(("each", "expected"), [(400, "market: all others"), (300, "market: too few")])
def test_small_groups_are_put_together_and_told_where_they_stay_too_few(each, expected):
    """Three markets of `each` labels beside a large one."""
    of = np.zeros(MEMBERS, "i4")
    of[:3] = [1, 2, 3]
    source = np.concatenate([np.repeat(np.arange(3), each), np.full(5_000, 9)])
    liked = np.arange(len(source)) % 2 == 0
    labels = decisions_of(source, np.zeros(len(source)), liked, np.full(len(source), TODAY * DAY))
    market = Grouping(("large", "a", "b", "c"), of)
    found = judge(labels, np.full(len(labels), 0.5, "f4"), groups_of(market=market))["by_group"]
    of_markets = {name: one["decisions"] for name, one in found.items() if name.startswith("market")}
    assert of_markets == {"market: large": 5_000, expected: 3 * each}


def test_how_much_more_it_tells_than_the_light_one_has_an_interval():
    labels = said_of(4_000, lambda who: np.where(who % 2, 0.8, 0.2))
    p = np.where(labels.source % 2, 0.8, 0.2).astype("f4")
    report = judge(labels, p, groups_of(), np.full(4_000, 0.5, "f4"))
    assert report["over_light"] == pytest.approx(0.3, abs=0.03)
    assert report["over_light_low"] > 0.25
    assert judge(labels, p, groups_of(), p)["over_light_high"] == 0.0
    assert "over_light" not in judge(labels, p, groups_of())


@pytest.mark.parametrize(
    ("error", "low", "chance", "expected"),
    [
        (BOUND, 0.0, 0.001, "yes"),
        (0.05, 0.03, 0.001, "no"),
        (0.05, 0.03, 0.04, "too few to tell"),
        (0.021, 0.01, 0.001, "too few to tell"),
    ],
)
def test_above_the_bound_is_a_no_only_where_chance_does_not_explain_it(error, low, chance, expected):
    said = {"calibration_error": error, "calibration_low": low, "calibration_noise": chance}
    assert holds(said) == expected


def test_a_report_reads_as_rows():
    labels = said_of(1_500, lambda who: np.full(len(who), 0.5))
    p = np.full(1_500, 0.5, "f4")
    report = {
        "decisions": 9,
        "reply": judge(labels, p, groups_of(), p),
        "like": judge(labels, p, groups_of()),
    }
    learnt = {"dating": report, "old": {"like": {"auc": 0.7, "by_group": {"market 0": 0.1}}}}
    assert [(surface, name) for surface, name, _ in judged(learnt)] == [
        ("dating", "like"),
        ("dating", "reply"),
    ]
    like, reply = judged_rows(learnt)
    assert len(like) == len(JUDGED)
    assert like[:5] == ("dating", "like", "1,500", "0.500 (0.500 to 0.500)", "–")
    assert reply[4] == "+0.000 (+0.000 to +0.000)"
    assert like[-1] == "yes"
    assert judged_rows({"dating": {"heavy": report["like"] | {"used": False}}})[0][1] == "heavy ranker, off"
    rows = grouped_rows(learnt)
    assert {len(row) for row in rows} == {len(GROUPED)}
    assert [row[2:5] for row in rows[:3]] == [
        ("decided before: under 20", "1,500", "400"),
        ("membership: 28 days and more", "1,100", "300"),
        ("membership: too few", "400", "–"),
    ]
    words = predicted_rows(learnt)
    assert [len(row) for row in words] == [len(PREDICTED)] * 2
    assert words[1][2] == PREDICTIONS["reply"].sentence
