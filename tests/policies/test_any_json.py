"""Whatever stands anywhere in a content: it is taken in one spelling, or refused by path; nothing breaks."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.policies.conflicts import conflicts
from apps.policies.difference import difference
from apps.policies.knobs import OBJECTS
from apps.policies.schema import PolicyInvalid, default_content, validate_content
from tests.policies.examples import NOW, experiment, flag, rule, segment

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def whole() -> dict[str, Any]:
    content = default_content()
    content["surfaces"]["dating"] |= {"rules": [rule()], "markets": {"paris": {"diversity": 0.2}}}
    return {**content, "segments": [segment()], "flags": [flag()], "experiments": [experiment()]}


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, part in steps for path in paths(part, (*at, key)))]


def with_value(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = deepcopy(content)
    home = changed
    for step in path[:-1]:
        home = home[step]
    home[path[-1]] = value
    return changed


def verdict_of(content: Any) -> tuple[Any, dict[str, str]]:
    try:
        return validate_content(content), {}
    except PolicyInvalid as refusal:
        return None, refusal.fields


PATHS = paths(whole())


@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), JSON), min_size=1, max_size=1))
def test_any_json_anywhere_in_a_content_is_taken_or_refused_by_path(changes):
    content = whole()
    for path, value in changes:
        content = with_value(content, path, value)
    checked, refused = verdict_of(content)
    assert all(isinstance(path, str) and said.endswith(".") for path, said in refused.items())
    if checked is not None:
        assert validate_content(checked) == checked
        difference(whole(), checked)
        conflicts(checked, NOW)


@pytest.mark.parametrize("group", [*OBJECTS, "markets", "rules"])
@pytest.mark.parametrize("value", [None, 3, "x", [], {}])
def test_a_part_of_a_surface_of_the_wrong_shape_is_refused_not_broken(group, value):
    content = whole()
    content["surfaces"]["dating"][group] = value
    checked, refused = verdict_of(content)
    assert checked is not None or refused


def test_experiments_of_a_content_without_a_valid_surface_are_refused_not_broken():
    with pytest.raises(PolicyInvalid):
        validate_content({"surfaces": {"dating": {"kind": "x"}}, "experiments": [experiment()]})


def doubling(levels: int) -> list[dict[str, Any]]:
    inner = {"attribute": "age", "operator": "at_least", "value": 1}
    found = [segment(key="s0", condition=inner)]
    for i in range(1, levels):
        twice = {"all": [{"segment": f"s{i - 1}"}, {"segment": f"s{i - 1}"}]}
        found.append(segment(key=f"s{i}", condition=twice))
    return found


def test_segments_that_double_each_other_are_refused_without_being_put_in():
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content({**default_content(), "segments": doubling(100)})
    assert refusal.value.fields["segments.99.condition"] == "With its segments it takes over 1,000 steps."


def test_segments_in_each_other_go_five_deep():
    assert validate_content({**default_content(), "segments": doubling(5)})
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content({**default_content(), "segments": doubling(6)})
    assert refusal.value.fields == {"segments.5.condition": "Segments stand in each other at most 5 deep."}


def test_a_rule_counts_the_steps_of_its_segments():
    words = [f"word{i}" for i in range(99)]
    wide = {"attribute": "interests", "operator": "has_any", "value": words}
    content = {**default_content(), "segments": [segment(condition={"any": [wide] * 9})]}
    content["surfaces"]["dating"]["rules"] = [rule(viewers={"any": [{"segment": "grown"}] * 12})]
    with pytest.raises(PolicyInvalid) as refusal:
        validate_content(content)
    assert refusal.value.fields == {"dating.rules.0.viewers": "With its segments it takes over 10,000 steps."}
