"""What works against itself in a content is said in a sentence; what plainly can't meet is not."""

from __future__ import annotations

from typing import Any

import pytest

from apps.policies.conflicts import conflicts
from apps.policies.schema import default_content, validate_content
from tests.policies.examples import NOW, flag, rule, segment

PARIS = {"attribute": "market", "operator": "is", "value": "paris"}
ROME = {"attribute": "market", "operator": "is", "value": "rome"}
GROWN = {"attribute": "age", "operator": "at_least", "value": 30}
YOUNG = {"attribute": "age", "operator": "at_most", "value": 29}
FILM = {"attribute": "interests", "operator": "has_any", "value": ["film"]}
NO_FILM = {"attribute": "interests", "operator": "has_none", "value": ["film", "chess"]}
BURY = {"type": "bury", "effect": {"factor": 0.5}}


def found(*rules: dict[str, Any], daily_cap: int = 0, now: float = NOW) -> list[tuple[str, tuple[str, ...]]]:
    content = default_content()
    content["surfaces"]["dating"] |= {"rules": list(rules), "daily_cap": daily_cap}
    content = validate_content({**content, "segments": [segment()]})
    return [(one.severity, one.rules) for one in conflicts(content, now)]


@pytest.mark.parametrize(("slots", "meet"), [([3], True), ([1, 4], True), ([1, 2, 5], False)])
def test_a_slot_that_a_pin_takes_first_is_said(slots, meet):
    pin = rule(id="a", type="pin", candidates=None, effect={"candidates": [5, 6], "position": 3})
    wanted = [("contradiction", ("a", "b"))] if meet else []
    assert found(pin, rule(id="b", effect={"slots": slots})) == wanted


def test_a_content_without_rules_has_no_conflicts():
    assert found() == []


def test_a_boost_and_a_bury_of_the_same_candidates_contradict_each_other():
    assert found(rule(id="a"), rule(id="b", **BURY)) == [("contradiction", ("a", "b"))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PARIS, ROME),
        (PARIS, {"attribute": "market", "operator": "is_not", "value": "paris"}),
        (PARIS, {"attribute": "market", "operator": "in", "value": ["rome", "oslo"]}),
        (GROWN, YOUNG),
        (FILM, NO_FILM),
        ({"attribute": "interests", "operator": "has_all", "value": ["film", "art"]}, NO_FILM),
        ({"all": [FILM, {"all": [GROWN]}]}, YOUNG),
        ({"segment": "grown"}, YOUNG),
    ],
)
def test_conditions_that_plainly_exclude_each_other_do_not_meet(one, other):
    assert found(rule(id="a", candidates=one), rule(id="b", candidates=other, **BURY)) == []
    assert found(rule(id="a", viewers=one), rule(id="b", viewers=other, **BURY)) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, PARIS),
        (PARIS, FILM),
        ({"any": [PARIS, FILM]}, ROME),
        ({"not": PARIS}, PARIS),  # not decided: said to be possible
        ({"attribute": "interests", "operator": "has_any", "value": ["film", "art"]}, NO_FILM),
    ],
)
def test_conditions_that_may_meet_are_taken_to_meet(one, other):
    assert len(found(rule(id="a", candidates=one), rule(id="b", candidates=other, **BURY))) == 1


def test_rules_one_after_the_other_do_not_meet():
    middle = "2026-06-15T00:00:00Z"
    assert found(rule(id="a", ends_at=middle), rule(id="b", starts_at=middle, **BURY)) == []


def test_two_factors_on_one_candidate_are_an_overlap():
    assert found(rule(id="a"), rule(id="b")) == [("overlap", ("a", "b"))]


def test_two_pins_on_one_place_and_two_boosts_on_one_slot_contradict_each_other():
    pins = [
        rule(id=name, type="pin", effect={"candidates": [n, n + 1], "position": at})
        for name, n, at in (("a", 5, 1), ("b", 8, 2))
    ]
    assert found(*pins) == [("contradiction", ("a", "b"))]
    slots = [rule(id=name, effect={"slots": at}) for name, at in (("a", [3, 7]), ("b", [7, 9]))]
    assert found(*slots) == [("contradiction", ("a", "b"))]


def test_a_pin_of_somebody_whom_a_cap_can_hold_back_is_named():
    pin = rule(id="a", type="pin", effect={"candidates": [5], "position": 1})
    assert found(pin) == []
    assert found(pin, daily_cap=10) == [("notice", ("a",))]
    cap = rule(id="c", type="cap", effect={"daily": 5, "hourly": 0})
    assert found(pin, cap) == [("overlap", ("a", "c"))]


def test_share_targets_over_the_whole_list_contradict_each_other():
    targets = [
        rule(id=name, type="share_target", effect={"share": 0.6, "tolerance": 0.1}, candidates=where)
        for name, where in (("a", PARIS), ("b", ROME))
    ]
    assert found(*targets) == [("contradiction", ("a", "b"))]


def test_a_floor_above_a_cap_contradicts_it():
    floor = rule(id="f", type="floor", effect={"daily": 20, "tolerance": 0.1})
    assert found(floor, daily_cap=10) == [("contradiction", ("f",))]
    assert found(floor, daily_cap=20) == []
    cap = rule(id="c", type="cap", effect={"daily": 5, "hourly": 0})
    assert found(floor, cap) == [("contradiction", ("c", "f"))]


def test_a_rule_that_ends_within_three_days_is_named_until_it_has_ended():
    assert found(rule(ends_at="2026-06-04T12:00:01Z")) == []
    assert found(rule(ends_at="2026-06-04T11:59:59Z")) == [("notice", ("newcomers",))]
    assert found(rule(ends_at="2026-06-01T12:00:00Z")) == []


def test_a_rule_that_nobody_can_meet_is_named():
    assert found(rule(viewers={"all": [GROWN, YOUNG]})) == [("contradiction", ("newcomers",))]


@pytest.mark.parametrize(
    ("values", "overlap"),
    [
        ({}, True),
        ({"segments": ["grown"]}, True),
        ({"segments": ["young"]}, False),
        ({"overrides": {"exploration": 0.2}}, False),
        ({"surface": "networking"}, False),
        ({"starts_at": "2026-08-01T00:00:00Z", "ends_at": "2026-09-01T00:00:00Z"}, False),
    ],
)
def test_flags_that_turn_one_knob_for_the_same_people_are_said_with_who_decides(values, overlap):
    segments = [segment(), segment(key="young", condition=YOUNG)]
    flags = [flag(segments=["grown"]), flag(key="shy", name="Shy", priority=200, **values)]
    content = validate_content({**default_content(), "segments": segments, "flags": flags})
    said = conflicts(content, NOW)
    assert bool(said) == overlap
    for one in said:
        assert (one.severity, one.rules) == ("overlap", ("bolder", "shy"))
        assert one.sentence == "Bolder and Shy both turn diversity: whoever has both gets what Shy says."
