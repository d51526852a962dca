"""From a release's content to what the pipeline is told."""

from dataclasses import replace

import pytest

from apps.common.errors import NotFound
from apps.pipeline.params import PipelineParams
from apps.policies.schema import default_content
from apps.releases.params import assignments, build_params, digest_of, release_for
from apps.releases.selectors import LiveRow

VIEWERS = [f"m{i}" for i in range(400)]


def content_with_flag(percentage: float) -> dict:
    content = default_content()
    content["surfaces"]["dating"]["flag"] = {
        "key": "bolder",
        "percentage": percentage,
        "salt": "2026-11",
        "overrides": {"weights.appeal": -0.5, "diversity": 0.9},
    }
    content["surfaces"]["dating"]["random_share"] = 0.0
    return content


def test_params_say_what_the_policy_says():
    content = default_content()
    content["surfaces"]["dating"] |= {"daily_cap": 7, "hold_minutes": 5, "pins": [9, 4], "random_share": 0.0}
    params = build_params(content, "dating", viewer="m1")
    policy = content["surfaces"]["dating"]
    assert params == PipelineParams(
        lineup="people", reciprocity="harmonic", reciprocity_weight=0.5, weights=policy["weights"],
        quotas=policy["quotas"], diversity=policy["diversity"], exploration=policy["exploration"],
        daily_cap=7, hold_minutes=5, cooldown_days=3, pins=(9, 4),
    )  # fmt: skip


def test_places_are_ranked_one_sided():
    params = build_params(default_content(), "travel", viewer="m1")
    assert (params.lineup, params.reciprocity) == ("places", "viewer_only")


def test_the_flag_overrides_only_for_its_share_and_only_its_own_knobs():
    content = content_with_flag(30)
    on = [v for v in VIEWERS if assignments(content, "dating", v)["bolder"] == "on"]
    assert 80 < len(on) < 160
    for viewer in VIEWERS:
        params = build_params(content, "dating", viewer=viewer)
        assert params.diversity == (0.9 if viewer in on else 0.1)
        assert params.weights["appeal"] == (-0.5 if viewer in on else 0.0)
    assert content["surfaces"]["dating"]["weights"]["appeal"] == 0.0


def test_assignments_name_the_salt_and_are_empty_without_a_flag():
    assert assignments(content_with_flag(100), "dating", "m1") == {
        "bolder": "on",
        "salts": {"bolder": "2026-11"},
    }
    assert assignments(default_content(), "dating", "m1") == {}


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
    turned = {"surfaces": dict(reversed(content["surfaces"].items()))}
    assert digest_of(content) == digest_of(turned)
    turned["surfaces"]["dating"] = {**turned["surfaces"]["dating"], "daily_cap": 8}
    assert digest_of(content) != digest_of(turned)


def test_a_candidate_release_goes_to_its_share_of_viewers():
    row = LiveRow(3, {"a": 1}, "d", 4, {"b": 1}, "e", 25, "live")
    got = [release_for(row, viewer)[0] for viewer in VIEWERS]
    assert 60 < got.count(4) < 140
    alone = replace(row, candidate_number=None, candidate_content=None)
    assert {release_for(alone, viewer)[0] for viewer in VIEWERS} == {3}
