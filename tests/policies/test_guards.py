"""Experiments are frozen once started; guards are not lowered unseen."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from apps.policies.experiments import experiment_refusals, touched_experiments
from apps.policies.governance import lowers_a_guard
from apps.policies.schema import PolicyInvalid, default_content, put, validate_content
from tests.policies.examples import NOW, experiment, flag, rule, segment

DAY = 86_400.0
LATER = "2026-08-01T00:00:00Z"
MIDDLE = "2026-06-15T00:00:00Z"


def content(*experiments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return validate_content({**default_content(), "experiments": list(experiments), **more})


def with_rules(*rules: dict[str, Any], **knobs: Any) -> dict[str, Any]:
    whole = default_content()
    whole["surfaces"]["dating"] |= {"rules": list(rules), **knobs}
    return validate_content(whole)


def variants(*weights: float, control: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    return [
        {"key": f"v{i}", "name": "V", "weight": w, "overrides": (control or {}) if i == 0 else {}}
        for i, w in enumerate(weights)
    ]


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"variants": variants(0.5, 0.4)}, "variants"),
        ({"variants": variants(0.5)}, "variants"),
        ({"variants": variants(0.5, 0.5, control={"diversity": 0.2})}, "variants.0.overrides"),
        ({"layer_range": [0.5, 0.5]}, "layer_range"),
        ({"layer_range": [0, 1.1]}, "layer_range"),
        ({"coverage": 1.5}, "coverage"),
        ({"metric": "happiness"}, "metric"),
        ({"guardrails": ["reports", "happiness"]}, "guardrails"),
        ({"unit": "planet"}, "unit"),
        ({"stop_rule": "peek"}, "stop_rule"),
        ({"phase": 0}, "phase"),
        ({"surface": "nowhere"}, "surface"),
        ({"audience": {"attribute": "gender", "operator": "is", "value": "man"}}, "audience.attribute"),
        ({"hypothesis": ""}, "hypothesis"),
        ({"ends_at": None}, "ends_at"),
    ],
)
def test_an_experiment_that_can_not_stand_is_refused_with_its_path(values, path):
    with pytest.raises(PolicyInvalid) as refusal:
        content(experiment(**values))
    assert f"experiments.0.{path}" in refusal.value.fields


def test_experiments_of_one_layer_stand_side_by_side_or_one_after_the_other():
    left, right = experiment(layer_range=[0, 0.5]), experiment(key="other", layer_range=[0.5, 1])
    assert content(left, right)
    assert content(experiment(ends_at=MIDDLE), experiment(key="other", starts_at=MIDDLE))
    with pytest.raises(PolicyInvalid, match="Overlaps spread in the layer order"):
        content(left, experiment(key="other", layer_range=[0.4999, 1]))


def test_experiments_of_one_layer_are_dealt_by_one_unit_or_one_after_the_other():
    """Members and markets fall into a layer by different hashes: side by side they would share members."""
    by_member = experiment(layer_range=[0, 0.5])
    by_market = experiment(key="other", layer_range=[0.5, 1], unit="market")
    with pytest.raises(PolicyInvalid) as refusal:
        content(by_member, by_market)
    assert list(refusal.value.fields) == ["experiments.1.unit"]
    assert content(by_member, {**by_market, "layer": "another", "surface": "networking"})
    assert content({**by_member, "ends_at": MIDDLE}, {**by_market, "starts_at": MIDDLE})


def test_two_experiments_at_once_have_salts_of_their_own():
    """In two layers: equal salts would put whoever is in both into the same arm of both."""
    one, again = experiment(), experiment(key="again", salt="spread", layer="another", surface="networking")
    with pytest.raises(PolicyInvalid, match=r"experiments\.1\.salt: spread has this salt too"):
        content(one, again)
    assert content(one, {**again, "phase": 2})
    assert content({**one, "ends_at": MIDDLE}, {**again, "starts_at": MIDDLE})


def test_experiments_of_two_layers_turn_no_knob_in_common():
    with pytest.raises(PolicyInvalid, match="spread turns diversity too"):
        content(experiment(), experiment(key="other", layer="another"))
    assert content(experiment(), experiment(key="other", layer="another", surface="networking"))


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({}, False),
        ({"ends_at": MIDDLE}, False),
        ({"ends_at": LATER}, True),
        ({"salt": "new"}, True),
        ({"coverage": 0.5}, True),
        ({"name": "Another name"}, True),
        ({"metric": "saves"}, True),
        ({"phase": 2, "coverage": 0.5, "ends_at": LATER}, False),
    ],
)
def test_what_runs_is_frozen_but_for_an_earlier_end_and_a_new_phase(values, refused):
    refusals = experiment_refusals(content(experiment()), content(experiment(**values)), NOW)
    assert list(refusals) == (["spread"] if refused else [])


def test_a_phase_can_not_fall():
    assert experiment_refusals(content(experiment(phase=2)), content(experiment()), NOW)


def test_an_experiment_may_be_changed_before_it_starts_and_removed_after_it_ended():
    live, none = content(experiment()), content()
    assert experiment_refusals(live, content(experiment(salt="new")), NOW - DAY) == {}
    assert list(experiment_refusals(live, none, NOW)) == ["spread"]
    assert experiment_refusals(live, none, NOW + 40 * DAY) == {}


def test_an_ended_experiment_does_not_come_back_under_its_old_salt():
    refusals = experiment_refusals(content(experiment()), content(experiment(ends_at=LATER)), NOW + 40 * DAY)
    assert list(refusals) == ["spread"]


def test_a_knob_that_a_running_experiment_turns_can_not_change_under_it():
    live = content(experiment())
    for path, value in (("diversity", 0.3), ("markets", {"paris": {"diversity": 0.3}})):
        new = deepcopy(live)
        put(new["surfaces"]["dating"], path, value)
        assert touched_experiments(live, new, NOW) == {"spread": ["diversity"]}
        assert touched_experiments(live, new, NOW + 40 * DAY) == {}
        put(new["experiments"][0], "phase", 2)
        assert touched_experiments(live, new, NOW) == {}
    elsewhere = deepcopy(live)
    put(elsewhere["surfaces"]["networking"], "diversity", 0.3)
    put(elsewhere["surfaces"]["dating"], "exploration", 0.3)
    assert touched_experiments(live, elsewhere, NOW) == {}


def test_a_flag_over_the_knob_of_a_running_experiment_touches_it():
    live = content(experiment(), flags=[flag()])
    assert touched_experiments(live, content(experiment()), NOW) == {"spread": ["diversity"]}
    wider = content(experiment(), flags=[flag(percentage=50.0)])
    assert touched_experiments(live, wider, NOW) == {"spread": ["diversity"]}
    renamed = content(experiment(), flags=[flag(name="Other", owner="others")])
    assert touched_experiments(live, renamed, NOW) == {}


YOUNGER = {"attribute": "age", "operator": "at_most", "value": 25}
NAMED = {"segment": "grown"}


def test_a_segment_that_an_experiment_or_its_knobs_flag_names_is_frozen_with_it():
    for said, refused in (
        ({"experiments": [experiment(audience=NAMED)]}, True),
        ({"experiments": [experiment(audience={"not": NAMED})]}, True),
        ({"experiments": [experiment()], "flags": [flag(segments=["grown"])]}, True),
        ({"experiments": [experiment()], "flags": [flag(segments=["grown"], overrides={})]}, False),
    ):
        live = validate_content({**default_content(), **said, "segments": [segment()]})
        renamed, moved = deepcopy(live), deepcopy(live)
        renamed["segments"] = [segment(name="Thirty and over")]
        moved["segments"] = [segment(condition=YOUNGER)]
        for new, expected in ((renamed, False), (moved, refused)):
            found = experiment_refusals(live, new, NOW) or touched_experiments(live, new, NOW)
            assert bool(found) == expected, said


def test_a_cap_whose_segment_means_fewer_lowers_a_guard():
    whole = default_content()
    whole["surfaces"]["dating"]["rules"] = [{**CAP, "candidates": NAMED}]
    live = validate_content({**whole, "segments": [segment()]})
    moved = {**live, "segments": [segment(condition=YOUNGER)]}
    assert lowers_a_guard(live, live) == []
    assert lowers_a_guard(live, moved) == ["dating: The cap Newcomers is weakened or taken away."]


def test_a_draft_that_names_a_segment_that_is_gone_is_compared_all_the_same():
    live = validate_content(
        {**default_content(), "experiments": [experiment(audience=NAMED)], "segments": [segment()]}
    )
    assert list(experiment_refusals(live, {**live, "segments": []}, NOW)) == ["spread"]


CAP = rule(id="cap", type="cap", effect={"daily": 10, "hourly": 0})
PARIS = with_rules(markets={"paris": {"daily_cap": 5}})
AWAY = {**CAP, "id": "away", "name": "Away", "type": "cooldown", "effect": {"days": 30}}


@pytest.mark.parametrize(
    ("before", "after", "lowered"),
    [
        (with_rules(daily_cap=10), with_rules(daily_cap=11), True),
        (with_rules(daily_cap=10), with_rules(daily_cap=0), True),
        (with_rules(daily_cap=10), with_rules(daily_cap=9), False),
        (with_rules(daily_cap=0), with_rules(daily_cap=9), False),
        (with_rules(hourly_cap=10), with_rules(hourly_cap=0), True),
        (with_rules(), with_rules(markets={"paris": {"daily_cap": 300}}), True),
        (with_rules(), with_rules(markets={"paris": {"daily_cap": 100}}), False),
        (with_rules(markets={"paris": {"daily_cap": 100}}), with_rules(), True),
        (with_rules(CAP), with_rules(), True),
        (with_rules(), with_rules(CAP), False),
        (with_rules(CAP), with_rules({**CAP, "effect": {"daily": 11, "hourly": 0}}), True),
        (with_rules(CAP), with_rules({**CAP, "effect": {"daily": 10, "hourly": 3}}), False),
        (with_rules(CAP), with_rules({**CAP, "ends_at": MIDDLE}), True),
        (with_rules(CAP), with_rules({**CAP, "name": "Renamed"}), False),
        (with_rules(AWAY), with_rules(), True),
        (with_rules(AWAY), with_rules({**AWAY, "effect": {"days": 29}}), True),
        (with_rules(AWAY), with_rules({**AWAY, "effect": {"days": 31}}), False),
        (with_rules(AWAY), with_rules({**CAP, "id": AWAY["id"]}), True),
        (with_rules(), {**with_rules(), "flags": [flag(overrides={"daily_cap": 0})]}, True),
        (with_rules(), {**with_rules(), "flags": [flag(overrides={"daily_cap": 50})]}, False),
        (PARIS, {**PARIS, "flags": [flag(overrides={"daily_cap": 100})]}, True),
        ({**with_rules(), "flags": [flag(overrides={"daily_cap": 5})]}, with_rules(), True),
        ({**with_rules(), "flags": [flag(overrides={"daily_cap": 5})]},
         {**with_rules(), "flags": [flag(overrides={"daily_cap": 5}, percentage=5.0)]}, True),
        ({**with_rules(), "flags": [flag(overrides={"diversity": 0.5})]}, with_rules(), False),
        (with_rules(), content(experiment(variants=[
            {"key": "control", "name": "As it is", "weight": 0.5, "overrides": {}},
            {"key": "more", "name": "More", "weight": 0.5, "overrides": {"daily_cap": 900}},
        ])), True),
    ],
)  # fmt: skip
def test_a_cap_that_is_raised_or_taken_away_lowers_a_guard(before, after, lowered):
    assert bool(lowers_a_guard(before, after)) == lowered


@pytest.mark.parametrize("guard", ["small_reach", "max_error_rate", "max_fill_drop", "max_p99_ms"])
def test_a_threshold_that_is_raised_lowers_a_guard(guard):
    live = default_content()
    for change, lowered in ((0.05, 1), (0.0, 0), (-0.001, 0)):
        new = deepcopy(live)
        step = change * 1000 if guard == "max_p99_ms" else change
        new["governance"][guard] += step
        assert len(lowers_a_guard(live, new)) == lowered


def test_an_override_that_stands_already_is_not_said_again():
    live = {**with_rules(), "flags": [flag(overrides={"daily_cap": 0})]}
    assert lowers_a_guard(live, deepcopy(live)) == []
    wider = {**with_rules(), "flags": [flag(overrides={"daily_cap": 0}, percentage=90.0)]}
    assert lowers_a_guard(live, wider) == [
        "Bolder raises or takes away the daily cap of dating for some viewers."
    ]
