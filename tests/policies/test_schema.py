"""What a policy may say, and how two of them are compared."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.features.registry import FEATURES
from apps.policies.knobs import Kind, knobs
from apps.policies.schema import (
    PolicyInvalid,
    carry_over,
    default_content,
    difference,
    get,
    put,
    validate_content,
)

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
        ("dating.pins", [3, 3], "Must be at most 20 numbers, each once."),
        ("dating.pins", ["m1"], "Must be at most 20 numbers, each once."),
        ("dating.flag", {"key": "x"}, "Must hold key, percentage, salt and overrides."),
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


def flag(**values: object) -> dict:
    return {"key": "bolder", "percentage": 10, "salt": "s", "overrides": {"diversity": 0.5}, **values}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"key": "Has Space"}, "flag.key"),
        ({"key": "salts"}, "flag.key"),
        ({"percentage": 101}, "flag.percentage"),
        ({"salt": ""}, "flag.salt"),
        ({"overrides": {"diversity": 7}}, "flag.overrides.diversity"),
        ({"overrides": {"charm": 1}}, "flag.overrides.charm"),
        ({"overrides": {"random_share": 5}}, "flag.overrides.random_share"),
    ],
)
def test_a_flag_may_switch_only_known_knobs_within_their_bounds(values, path):
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content(changed("dating.flag", flag(**values)))
    assert set(refusal.value.fields) == {f"dating.{path}"}


def test_a_good_flag_is_kept_in_one_spelling():
    content = validate_content(changed("dating.flag", flag()))
    assert content["surfaces"]["dating"]["flag"] == flag(percentage=10.0)


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


def test_carrying_over_drops_a_knob_that_went_and_adds_a_surface_that_came():
    old = changed("dating.weights.charm", 0.4)
    old["surfaces"]["dating"]["flag"] = flag(overrides={"weights.charm": 1.0, "diversity": 0.5})
    draft = carry_over(old, {**KINDS, "events": "place"})
    assert set(draft["surfaces"]) == {*KINDS, "events"}
    assert validate_content(draft)["surfaces"]["dating"]["flag"]["overrides"] == {"diversity": 0.5}


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
