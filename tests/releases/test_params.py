"""From a release's content to what the pipeline is told."""

from dataclasses import replace

import numpy as np
import pytest

from apps.common.errors import NotFound
from apps.pipeline.params import PipelineParams
from apps.policies.fields import seconds
from apps.policies.schema import default_content
from apps.releases.params import Assigned, build_params, compiled, digest_of, release_for
from apps.releases.selectors import LiveRow
from tests.policies.examples import END, NOW, START, experiment, flag, rule, segment

VIEWERS = [f"m{i}" for i in range(400)]


def content_with_flag(percentage: float) -> dict:
    content = default_content()
    overrides = {"weights.appeal": -0.5, "diversity": 0.9}
    content["flags"] = [flag(percentage=percentage, salt="2026-11", overrides=overrides)]
    content["surfaces"]["dating"]["random_share"] = 0.0
    return content


def assigned(content: dict, viewer: str, surface: str = "dating", **more: object) -> Assigned:
    return compiled(content).surface(surface).assign(viewer=viewer, now=NOW, **more)


def test_params_say_what_the_policy_says():
    content = default_content()
    content["surfaces"]["dating"] |= {"daily_cap": 7, "hold_minutes": 5, "random_share": 0.0}
    params = build_params(content, "dating", viewer="m1")
    policy = content["surfaces"]["dating"]
    assert params == PipelineParams(
        lineup="people", reciprocity="harmonic", reciprocity_weight=0.5, weights=policy["weights"],
        quotas=policy["quotas"], source_weights=policy["source_weights"],
        source_shares=policy["source_shares"], source_budgets=policy["source_budgets"],
        diversity=policy["diversity"], exploration=policy["exploration"],
        daily_cap=7, hold_minutes=5, cooldown_days=3, session_reach=0.3, likes_share=0.1, heavy_width=120,
    )  # fmt: skip


def test_places_are_ranked_one_sided():
    params = build_params(default_content(), "travel", viewer="m1")
    assert (params.lineup, params.reciprocity) == ("places", "viewer_only")


def test_the_flag_overrides_only_for_its_share_and_only_its_own_knobs():
    content = content_with_flag(30)
    on = [v for v in VIEWERS if assigned(content, v).variants["bolder"] == "on"]
    assert 80 < len(on) < 160
    for viewer in VIEWERS:
        params = assigned(content, viewer).params
        assert params.diversity == (0.9 if viewer in on else 0.1)
        assert params.weights["appeal"] == (-0.5 if viewer in on else 0.0)
    assert content["surfaces"]["dating"]["weights"]["appeal"] == 0.0


def test_assignments_name_the_salt_and_are_empty_without_a_flag():
    assert assigned(content_with_flag(100), "m1").variants == {
        "bolder": "on",
        "salts": {"bolder": "2026-11"},
    }
    assert assigned(default_content(), "m1").variants == {}


def test_one_percent_of_viewers_get_random_order_by_default():
    content = default_content()
    random = sum(build_params(content, "dating", viewer=f"m{i}").random_order for i in range(20_000))
    assert 130 < random < 270  # 200 expected, five standard deviations are 70


def test_the_same_content_and_assignment_give_the_same_object():
    content = default_content()
    content["surfaces"]["dating"]["random_share"] = 0.0
    assert build_params(content, "dating", viewer="a") is build_params(content, "dating", viewer="b")


def test_an_older_release_without_a_knob_still_builds():
    content = default_content()
    del content["surfaces"]["dating"]["weights"]["appeal"]
    del content["surfaces"]["dating"]["cooldown_days"]
    params = build_params(content, "dating", viewer="m1")
    assert "appeal" not in params.weights
    assert params.cooldown_days == 3


def test_an_unknown_surface_is_not_found():
    with pytest.raises(NotFound) as error:
        build_params(default_content(), "nowhere", viewer="m1")
    assert error.value.code == "unknown_surface"


def test_a_digest_ignores_the_order_of_keys_and_notices_any_value():
    content = default_content()
    turned = {**content, "surfaces": dict(reversed(content["surfaces"].items()))}
    assert digest_of(content) == digest_of(turned)
    turned["surfaces"]["dating"] = {**turned["surfaces"]["dating"], "daily_cap": 8}
    assert digest_of(content) != digest_of(turned)


def test_a_candidate_release_goes_to_its_share_of_viewers():
    row = LiveRow(3, {"a": 1}, "d", 4, {"b": 1}, "e", 25, "live")
    got = [release_for(row, viewer)[0] for viewer in VIEWERS]
    assert 60 < got.count(4) < 140
    alone = replace(row, candidate_number=None, candidate_content=None)
    assert {release_for(alone, viewer)[0] for viewer in VIEWERS} == {3}


MET = np.array([1], "u8")  # the first condition
NOT_MET = np.array([0], "u8")


def test_a_flag_is_decided_in_its_written_order():
    content = default_content()
    content["surfaces"]["dating"]["random_share"] = 0.0
    content["segments"] = [segment()]
    content["flags"] = [flag(percentage=100.0, segments=["grown"], allow=[7])]
    stands = [
        assigned(content, "m1", number=number, met=met, killed=killed).variants["bolder"]
        for number, met, killed in [
            (7, NOT_MET, frozenset({"flag:bolder"})),  # killed, though allowed
            (7, NOT_MET, frozenset()),  # allowed, though in no segment
            (8, NOT_MET, frozenset()),
            (8, MET, frozenset()),
        ]
    ]
    assert stands == ["off", "on", "off", "on"]
    ended = seconds(END)
    late = compiled(content).surface("dating").assign(viewer="m1", number=7, met=MET, now=ended)
    assert late.variants["bolder"] == "off"


def test_flags_of_no_surface_have_values_too_and_a_killed_one_is_off():
    content = {
        **default_content(),
        "flags": [flag(surface=None, overrides={}, type="text", on="b", off="a", percentage=100.0)],
    }
    whole = compiled(content)
    none = np.zeros(0, "u8")
    assert whole.flag_values(viewer="m1", number=1, met=none, now=NOW) == {"bolder": "b"}
    off = whole.flag_values(viewer="m1", number=1, met=none, now=NOW, killed=frozenset({"flag:bolder"}))
    assert off == {"bolder": "a"}
    assert assigned(content, "m1").variants == {}


def test_a_list_and_the_app_are_told_the_same_of_each_flag_at_every_moment():
    content = default_content()
    content["surfaces"]["dating"]["random_share"] = 0.0
    content["flags"] = [
        flag(percentage=100.0),
        flag(key="brief", percentage=100.0, ends_at="2026-06-15T00:00:00Z", overrides={"exploration": 0.05}),
    ]
    whole, none = compiled(content), np.zeros(0, "u8")
    told = []
    for now in (
        seconds(START) - 1,
        NOW,
        seconds("2026-06-15T00:00:00Z"),
        seconds(END) - 1,
        seconds(END),
        NOW,
    ):
        values = whole.flag_values(viewer="m1", number=1, met=none, now=now)
        variants = whole.surface("dating").assign(viewer="m1", number=1, met=none, now=now).variants
        assert values == {key: variants[key] == "on" for key in ("bolder", "brief")}
        told.append(tuple(values.values()))
    assert told == [(False, False), (True, True), (True, False), (True, False), (False, False), (True, True)]


def test_market_then_flags_by_priority_then_experiments_say_a_value():
    content = default_content()
    policy = content["surfaces"]["dating"]
    policy |= {"random_share": 0.0, "markets": {"paris": {"diversity": 0.2, "exploration": 0.3}}}
    content["flags"] = [
        flag(key="first", percentage=100.0, overrides={"diversity": 0.5, "exploration": 0.05}),
        flag(key="second", percentage=100.0, overrides={"diversity": 0.6}),
    ]
    params = assigned(content, "m1", market="paris").params
    assert (params.diversity, params.exploration) == (0.6, 0.05)
    content = {**content, "experiments": [experiment()]}
    by_variant = {
        (found := assigned(content, viewer)).variants["spread"]: found.params.diversity for viewer in VIEWERS
    }
    assert by_variant == {"control": 0.6, "spread": 0.4}


def test_an_experiment_holds_its_part_of_the_layer_its_audience_and_its_dates():
    content = default_content()
    content["surfaces"]["dating"]["random_share"] = 0.0
    content["experiments"] = [experiment(layer_range=[0.0, 0.5], audience=segment()["condition"])]
    inside = [viewer for viewer in VIEWERS if assigned(content, viewer, met=MET).variants]
    assert 150 < len(inside) < 250
    assert not any(assigned(content, viewer, met=NOT_MET).variants for viewer in inside)
    killed = frozenset({"experiment:spread"})
    assert not any(assigned(content, viewer, met=MET, killed=killed).variants for viewer in inside)


def test_a_higher_phase_deals_everybody_anew():
    content = default_content()
    content["surfaces"]["dating"]["random_share"] = 0.0
    first = {**content, "experiments": [experiment()]}
    again = {**content, "experiments": [experiment(phase=2)]}
    same = sum(
        assigned(first, viewer).variants["spread"] == assigned(again, viewer).variants["spread"]
        for viewer in VIEWERS
    )
    assert 150 < same < 250
    assert assigned(again, "m1").variants["salts"] == {"spread": "spread:2"}


def test_a_market_is_dealt_as_a_whole():
    content = default_content()
    content["surfaces"]["dating"]["random_share"] = 0.0
    content["experiments"] = [experiment(unit="market")]
    dealt = {
        market: {assigned(content, viewer, market=market).variants["spread"] for viewer in VIEWERS[:50]}
        for market in (f"market{i}" for i in range(30))
    }
    assert all(len(variants) == 1 for variants in dealt.values())
    assert {*dealt["market0"]} | {v for one in dealt.values() for v in one} == {"control", "spread"}


def test_the_hold_out_has_no_flags_and_no_experiments():
    content = {**default_content(), "experiments": [experiment()], "flags": [flag(percentage=100.0)]}
    content["surfaces"]["dating"]["random_share"] = 10.0
    out = [one for viewer in VIEWERS if (one := assigned(content, viewer)).params.random_order]
    assert 15 < len(out) < 75
    assert all(one.variants == {} and one.params.diversity == 0.1 for one in out)


def test_equal_conditions_are_one_and_segments_are_put_in_their_place():
    content = default_content()
    content["segments"] = [segment()]
    condition = segment()["condition"]
    content["surfaces"]["dating"]["rules"] = [
        rule(id="a", viewers={"segment": "grown"}, candidates={"not": {"segment": "grown"}}),
        rule(id="b", viewers=condition, candidates=condition),
    ]
    rules = compiled(content).surface("dating").rules
    assert rules.viewer_conditions == (condition,)
    assert rules.candidate_conditions == ({"not": condition}, condition)
    assert [(spec.viewers, spec.candidates) for spec in rules.specs] == [(0, 0), (0, 1)]


def test_a_release_from_before_rules_goes_on_meaning_what_it_meant():
    surfaces = default_content()["surfaces"]
    former = {"key": "bolder", "percentage": 100.0, "salt": "s", "overrides": {"diversity": 0.5}}
    surfaces["dating"] |= {"pins": [12, 7], "flag": former, "random_share": 0.0}
    surface = compiled({"surfaces": surfaces}).surface("dating")
    assert [(spec.kind, spec.pins) for spec in surface.rules.specs] == [("pin", (12, 7))]
    found = surface.assign(viewer="m1", now=NOW)
    assert (found.variants["bolder"], found.params.diversity) == ("on", 0.5)
