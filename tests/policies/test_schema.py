"""What a policy may say, and how two of them are compared."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.features.registry import FEATURES
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.run import run
from apps.policies.difference import difference, put_difference
from apps.policies.fields import seconds
from apps.policies.knobs import OBJECTS, Kind, knobs
from apps.policies.schema import (
    PolicyInvalid,
    carry_over,
    default_content,
    get,
    put,
    validate_content,
)
from apps.releases.params import params_of
from tests.pipeline.markets import member_table, place_table, request_for, snapshot_of
from tests.policies.examples import START, experiment, flag, rule, segment

KINDS = {"dating": "member", "networking": "member", "travel": "place"}


def changed(path: str, value: object) -> dict:
    content = default_content()
    surface, _, key = path.partition(".")
    put(content["surfaces"][surface], key, value)
    return content


@pytest.mark.parametrize("kind", ["member", "place"])
def test_every_ranking_feature_has_a_weight_to_turn(kind):
    weights = {key.removeprefix("weights.") for key in knobs(kind) if key.startswith("weights.")}
    assert weights == set(FEATURES[kind])


@pytest.mark.parametrize("kind", ["member", "place"])
def test_every_default_lies_within_its_own_bounds(kind):
    assert [knob.key for knob in knobs(kind).values() if knob.refusal(knob.default)] == []


def test_places_have_no_say_and_so_no_reciprocity_knob():
    assert not any(key.startswith("reciprocity") for key in knobs("place"))


def test_the_default_content_is_valid_and_already_normal():
    assert validate_content(default_content()) == default_content()


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("dating.diversity", 1.01, "Must be between 0 and 1."),
        ("dating.diversity", float("nan"), "Must be between 0 and 1."),
        ("dating.diversity", "0.5", "Must be a number."),
        ("dating.diversity", True, "Must be a number."),
        ("dating.diversity", None, "Must be a number."),
        ("dating.daily_cap", 2.5, "Must be a whole number."),
        ("dating.daily_cap", -1, "Must be between 0 and 100,000."),
        ("dating.reciprocity", "median", "Must be one of: harmonic, geometric, product, viewer_only."),
        ("dating.weights.charm", 0.1, "There is no such knob."),
        ("travel.reciprocity", "harmonic", "There is no such knob."),
        ("dating.pins", [3], "There is no such knob."),
        ("dating.rules", 3, "Must be a list."),
        ("dating.markets", [], "Must be an object of markets."),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_its_path_and_a_sentence(path, value, sentence):
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content(changed(path, value))
    assert refusal.value.fields == {path: sentence}


def test_all_refusals_come_at_once():
    content = changed("dating.diversity", 2)
    put(content["surfaces"]["travel"], "exploration", -1)
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content(content)
    assert set(refusal.value.fields) == {"dating.diversity", "travel.exploration"}


@pytest.mark.parametrize(
    "content", [{}, {"surfaces": {}}, {"surfaces": {"x": 1}}, {"surfaces": {"x": {}}}, []]
)
def test_content_without_a_whole_surface_is_refused(content):
    with pytest.raises(PolicyInvalid):
        validate_content(content)


def test_a_market_overrides_single_knobs_within_their_bounds():
    content = validate_content(changed("dating.markets", {"paris": {"diversity": 0.25}, "rome": {}}))
    assert content["surfaces"]["dating"]["markets"] == {"paris": {"diversity": 0.25}}
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content(
            changed("dating.markets", {"paris": {"diversity": 2, "charm": 1, "random_share": 0}})
        )
    assert set(refusal.value.fields) == {
        f"dating.markets.paris.overrides.{name}" for name in ("diversity", "charm", "random_share")
    }


SHARES = "dating.source_shares"


def shares_of(**shares):
    return {f"source_shares.{name}": share for name, share in shares.items()}


def test_minimum_shares_of_sources_may_add_up_to_one_and_no_more():
    whole = changed(f"{SHARES}.nearest", 0.7)
    whole["surfaces"]["dating"]["source_shares"]["newcomers"] = 0.3
    assert validate_content(whole)["surfaces"]["dating"]["source_shares"]["nearest"] == 0.7
    whole["surfaces"]["dating"]["source_shares"]["liked_you"] = 0.0001
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content(whole)
    assert refusal.value.fields == {
        f"{SHARES}.nearest": "The minimum shares of dating add up to 1.0001 here; together they may be at "
        "most 1."
    }


def test_a_market_a_flag_and_a_variant_may_not_make_minimum_shares_too_many():
    def refused(change):
        content = changed(f"{SHARES}.nearest", 0.7)
        change(content)
        with pytest.raises(PolicyInvalid) as refusal:
            validate_content(content)
        return refusal.value.fields

    more = shares_of(newcomers=0.4)
    (path,) = refused(lambda content: content["surfaces"]["dating"].update(markets={"paris": more}))
    assert path == "dating.markets.paris.source_shares.newcomers"
    fields = refused(lambda content: content.update(flags=[flag(overrides=more)]))
    assert fields == {
        "flags.0.overrides.source_shares.newcomers": "The minimum shares of dating add up to 1.1 here; "
        "together they may be at most 1."
    }
    one = experiment()
    one["variants"][1]["overrides"] = more
    (path,) = refused(lambda content: content.update(experiments=[one]))
    assert path == "experiments.0.variants.1.overrides.source_shares.newcomers"

    def together(content):
        content["surfaces"]["dating"]["source_shares"]["nearest"] = 0.5
        content["surfaces"]["dating"]["markets"] = {"paris": shares_of(liked_you=0.3)}
        content["flags"] = [flag(overrides=more)]

    (path,) = refused(together)
    assert path == "flags.0.overrides.source_shares.newcomers"


def test_what_takes_from_another_sources_share_may_add_to_its_own():
    content = changed(f"{SHARES}.nearest", 0.7)
    turned = shares_of(nearest=0.2, newcomers=0.6)
    content["flags"] = [flag(overrides=turned)]
    assert validate_content(content)["flags"][0]["overrides"] == turned


@pytest.mark.parametrize("kind", ["member", "place"])
def test_every_source_has_its_four_knobs_but_no_time_where_the_search_tells_it(kind):
    (lineup,) = [one for one in LINEUPS.values() if one.kind == kind]
    for source in lineup.sources:
        has = [f"{group}.{source.name}" in knobs(kind) for group in OBJECTS[1:]]
        assert has == ([False] * 4 if source.name == "pinned" else [True, True, True, not source.key])


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"key": "Has Space"}, "key"),
        ({"key": "salts"}, "key"),
        ({"percentage": 101}, "percentage"),
        ({"salt": ""}, "salt"),
        ({"overrides": {"diversity": 7}}, "overrides.diversity"),
        ({"overrides": {"charm": 1}}, "overrides.charm"),
        ({"overrides": {"random_share": 5}}, "overrides.random_share"),
        ({"surface": None}, "overrides"),
        ({"surface": "nowhere", "overrides": {}}, "surface"),
        ({"on": 1}, "on"),
        ({"segments": ["grown"]}, "segments"),
        ({"allow": ["ada"]}, "allow"),
        ({"ends_at": None}, "ends_at"),
        ({"ends_at": START}, "ends_at"),
        ({"owner": ""}, "owner"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_flag_that_can_not_stand_is_refused_with_its_path(values, path):
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content({**default_content(), "flags": [flag(**values)]})
    assert set(refusal.value.fields) == {f"flags.0.{path}"}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"type": "shout"}, "type"),
        ({"effect": {"factor": 9}}, "effect.factor"),
        ({"effect": {"factor": 2, "share": 0.1}}, "effect"),
        ({"type": "bury", "effect": {"factor": 1.5}}, "effect.factor"),
        ({"type": "bury", "effect": {"slots": [1]}}, "effect"),
        ({"type": "pin", "effect": {"candidates": [3, 3], "position": 1}}, "effect.candidates"),
        ({"type": "cap", "effect": {"daily": 2.5, "hourly": 0}}, "effect.daily"),
        ({"priority": 0}, "priority"),
        ({"reason": " "}, "reason"),
        ({"ends_at": ""}, "ends_at"),
        ({"ends_at": "2030-01-01T00:00:00Z"}, "ends_at"),
        ({"starts_at": "2026-06-01T00:00:00"}, "starts_at"),
        ({"viewers": {"attribute": "gender", "operator": "is", "value": "woman"}}, "viewers.attribute"),
        ({"candidates": {"segment": "nobody"}}, "candidates.segment"),
    ],
)
def test_a_rule_that_can_not_stand_is_refused_with_its_path(values, path):
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content(changed("dating.rules", [rule(**values)]))
    assert set(refusal.value.fields) == {f"dating.rules.0.{path}"}


def test_rules_stand_in_the_order_in_which_they_apply():
    rules = [rule(id="b", priority=5), rule(id="c", priority=1), rule(id="a", priority=5)]
    content = validate_content(changed("dating.rules", rules))
    assert [one["id"] for one in content["surfaces"]["dating"]["rules"]] == ["c", "a", "b"]


def test_of_two_rules_with_one_id_the_second_is_refused():
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content(changed("dating.rules", [rule(), rule()]))
    assert set(refusal.value.fields) == {"dating.rules.1.id"}


def test_segments_that_contain_each_other_are_refused():
    a = segment(key="a", condition={"segment": "b"})
    b = segment(key="b", condition={"not": {"segment": "a"}})
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content({**default_content(), "segments": [a, b]})
    assert "contain each other" in refusal.value.fields["segments"]


def test_a_segment_that_a_rule_uses_can_not_go():
    content = changed("dating.rules", [rule(viewers={"segment": "grown"})])
    assert validate_content({**content, "segments": [segment()]})
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content(content)
    assert refusal.value.fields == {"dating.rules.0.viewers.segment": "There is no such segment."}


def test_all_parts_are_kept_in_one_spelling():
    content = changed("dating.rules", [rule(starts_at="2026-06-01T02:00:00+02:00")])
    content |= {"segments": [segment()], "flags": [flag()], "experiments": [experiment()]}
    once = validate_content(content)
    assert once["surfaces"]["dating"]["rules"] == [rule()]
    assert (once["segments"], once["flags"], once["experiments"]) == ([segment()], [flag()], [experiment()])
    assert validate_content(deepcopy(once)) == once


def test_equal_contents_have_no_difference():
    assert difference(default_content(), default_content()) == []


def test_a_difference_names_surface_knob_and_both_values():
    (line,) = difference(default_content(), changed("networking.diversity", 0.7))
    assert (line.path, line.label, line.before, line.after) == ("networking.diversity", "Diversity", 0.1, 0.7)


def test_an_added_surface_is_one_line():
    content = default_content()
    smaller = {"surfaces": {k: v for k, v in content["surfaces"].items() if k != "travel"}}
    assert [(line.surface, line.after) for line in difference(smaller, content)] == [("travel", "added")]
    assert [(line.surface, line.after) for line in difference(content, smaller)] == [("travel", "removed")]


def test_a_weight_that_an_old_release_never_knew_means_zero():
    old = default_content()
    del old["surfaces"]["networking"]["weights"]["complementary_crafts"]
    draft = carry_over(old, KINDS)
    assert get(draft["surfaces"]["networking"], "weights.complementary_crafts") == 0.0
    assert difference(old, draft) == []


def test_a_source_that_an_old_release_never_knew_proposes_nobody():
    old = default_content()
    del old["surfaces"]["travel"]["quotas"]["alike"]
    draft = carry_over(old, KINDS)
    assert get(draft["surfaces"]["travel"], "quotas.alike") == 0
    assert difference(old, draft) == []
    snapshot = snapshot_of(place_table([{}]), surface="travel", viewers=member_table([{}]), alike=[(1, 1)])
    for content, found_by in ((old, set()), (draft, set()), (default_content(), {"alike"})):
        params = params_of(content["surfaces"]["travel"], {})
        stages = run(request_for(snapshot, 1, params=params)).trace.as_json()
        assert {stage["stage"] for stage in stages} & {"alike"} == found_by


def test_carrying_over_drops_a_knob_that_went_and_adds_a_surface_that_came():
    old = changed("dating.weights.charm", 0.4)
    old["flags"] = [flag(overrides={"weights.charm": 1.0, "diversity": 0.5})]
    draft = carry_over(old, {**KINDS, "events": "place"})
    assert set(draft["surfaces"]) == {*KINDS, "events"}
    assert validate_content(draft)["flags"][0]["overrides"] == {"diversity": 0.5}


def test_old_pins_and_an_old_flag_become_a_rule_and_a_flag_that_end():
    old = default_content()
    former = {"key": "bolder", "percentage": 10.0, "salt": "s", "overrides": {"diversity": 0.5}}
    old["surfaces"]["dating"] |= {"pins": [12, 7], "flag": former}
    draft = validate_content(carry_over({"surfaces": old["surfaces"]}, KINDS))
    (pins,) = draft["surfaces"]["dating"]["rules"]
    assert (pins["type"], pins["effect"]) == ("pin", {"candidates": [12, 7], "position": 1})
    (kept,) = draft["flags"]
    assert {name: kept[name] for name in former} == former
    assert (kept["surface"], kept["on"]) == ("dating", True)
    assert seconds(kept["ends_at"]) - seconds(kept["starts_at"]) == 90 * 86_400


@given(st.data())
def test_any_values_within_bounds_validate_to_themselves_and_differ_by_exactly_what_changed(data):
    key = data.draw(st.sampled_from(sorted(knobs("member"))))
    knob = knobs("member")[key]
    if knob.choices:
        value: object = data.draw(st.sampled_from(sorted(knob.choices)))
    elif knob.kind is Kind.WHOLE:
        value = data.draw(st.integers(int(knob.minimum), int(knob.maximum)))
    else:
        value = data.draw(st.floats(knob.minimum, knob.maximum))
    before = default_content()
    after = validate_content(changed(f"dating.{key}", value))
    assert validate_content(deepcopy(after)) == after
    lines = [line.key for line in difference(before, after)]
    assert lines in ([], [key])
    assert (lines == []) == (get(before["surfaces"]["dating"], key) == get(after["surfaces"]["dating"], key))


def test_differences_put_upon_the_older_content_give_the_newer_one():
    before = changed("dating.rules", [rule(id="a"), rule(id="b")])
    before |= {"flags": [flag(key="gone")], "segments": [segment()]}
    after = changed("dating.rules", [rule(id="b", priority=7), rule(id="c")])
    put(after["surfaces"]["dating"], "markets", {"paris": {"diversity": 0.3}})
    put(after["surfaces"]["travel"], "exploration", 0.4)
    after |= {"flags": [flag()], "experiments": [experiment()], "segments": [segment()]}
    after["governance"]["small_reach"] = 0.05
    before, after = validate_content(before), validate_content(after)
    lines = difference(before, after)
    assert [line.path for line in lines] == [
        "dating.markets.paris.diversity", "dating.rules.a", "dating.rules.b", "dating.rules.c",
        "travel.exploration", "flags.gone", "flags.bolder", "experiments.spread", "governance.small_reach",
    ]  # fmt: skip
    for line in lines:
        put_difference(before, line)
    assert validate_content(before) == after
