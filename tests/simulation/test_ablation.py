"""What is switched in turn, which way, and what the table says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from apps.pipeline.contracts import Request
from apps.pipeline.lineup import STAGES
from apps.pipeline.params import PipelineParams
from apps.policies.schema import default_policy, get
from apps.releases.params import params_of
from apps.simulation.ablation import FEATURES, Ablation, Switch, Worth, switches
from apps.simulation.evaluation import SurfaceResult
from apps.simulation.population import I64
from apps.simulation.report import as_markdown, predictions_as_markdown
from apps.simulation.scores import Mean, Shown
from tests.pipeline.markets import member_table, people, place_table, request_for, snapshot_of


def requested(params: PipelineParams, surface: str = "networking") -> Request:
    snapshot, number = people(surface=surface, ann={}, bob={}, cleo={})
    return request_for(snapshot, number["ann"], surface=surface, params=params)


def started(surface: str = "networking") -> PipelineParams:
    """As the first release has it."""
    return params_of(default_policy(surface, "member"), {})


def by_name(request: Request) -> dict[tuple[str, bool], Switch]:
    return {(switch.name, switch.is_on): switch for switch in switches(request)}


def test_what_is_on_is_switched_off_and_what_is_off_is_tried_at_its_start() -> None:
    params = started()
    found = by_name(requested(params))
    assert found["nearest", True].params.disabled_stages == {"nearest"}
    assert found["pagerank", False].params.quotas["pagerank"] == 100
    assert found["pagerank", False].said == "off, tried at 100"
    assert found["pagerank", False].params.disabled_stages == frozenset()
    assert (found["windows", False].params.industry_window, params.industry_window) == (2, 0)
    assert found["heavy_ranker", True].params.disabled_stages == {"heavy_ranker"}


def test_what_somebody_switched_off_is_tried_as_far_as_its_knob_starts() -> None:
    turned = {"quotas.nearest": 0, "heavy_width": 0, "diversity": 0.0, "weights.fatigue": 0.0}
    found = by_name(requested(params_of(default_policy("networking", "member"), turned)))
    assert found["nearest", False].params.quotas["nearest"] == 300
    assert found["heavy_ranker", False].params.heavy_width == 120
    assert found["diversity", False].params.diversity == 0.1
    assert found["features: moment", False].params.weights["fatigue"] == -0.1


def test_features_are_told_apart_by_group_and_within_one_by_whether_they_are_weighed() -> None:
    found = by_name(requested(started()))
    on, off = found["features: profile", True], found["features: profile", False]
    assert on.said == "on: same_industry, complementary_crafts"
    assert (on.params.weights["same_industry"], off.params.weights["same_industry"]) == (0, 0.1)
    assert (on.params.weights["closeness"], off.params.weights["closeness"]) == (0, 0.1)
    assert "closeness 0.1" in off.said
    assert ("features: behaviour", True) not in found
    groups = {name for name, _ in found if name.startswith(FEATURES)}
    assert {name for name, _ in found} - groups == set(STAGES["people"]) - {FEATURES}


def test_on_places_nothing_is_tried_that_only_people_have() -> None:
    snapshot = snapshot_of(place_table([{}]), surface="travel", viewers=member_table([{}]))
    params = params_of(default_policy("travel", "place"), {})
    found = by_name(request_for(snapshot, 1, surface="travel", params=params))
    assert found["windows", False].params.category_window == 2
    assert not [name for name, _ in found if name == "likes"]
    assert found["features: lists", True].said == "on: curated"


def test_what_was_seen_to_help_nowhere_is_off_and_tried() -> None:
    """docs/evaluation.md has the figures; one that is turned on again belongs there, too."""
    off = {
        "networking": {
            "quotas.friends_of_friends", "quotas.recently_active", "quotas.pagerank", "quotas.adamic_adar",
        },
        "travel": {"quotas.friends_saved", "weights.friends_saved"},
    }  # fmt: skip
    off["dating"] = off["networking"]
    for surface, knobs_off in off.items():
        kind = "place" if surface == "travel" else "member"
        policy = default_policy(surface, kind)
        assert {get(policy, knob) for knob in knobs_off} == {0}
    found = by_name(requested(started()))
    assert found["friends_of_friends", False].params.quotas["friends_of_friends"] == 100
    assert found["recently_active", False].said == "off, tried at 100"
    page = Path(settings.BASE_DIR, "docs", "evaluation.md").read_text()
    assert all(f"**{name}**" in page for name in ("friends_of_friends", "recently_active", "friends_saved"))


def test_either_way_a_gain_is_what_having_it_brings() -> None:
    request, ablation = requested(started()), Ablation()

    def list_of(candidates: list[int], p: float) -> Shown:
        one: I64 = np.array(candidates)
        return Shown(np.zeros_like(one), one, np.full(len(one), p), np.ones(len(one)), np.ones(len(one)))

    def show(params: PipelineParams) -> Shown:
        if "nearest" in params.disabled_stages:
            return list_of([1, 3], 0.25)  # half as good without it
        return list_of([1, 4], 0.75) if params.quotas["pagerank"] else list_of([2, 1], 0.5)

    ablation.add(request, list_of([1, 2], 0.5), show)
    worth = {(one.name, one.said): one for one in ablation.worth()}
    nearest, pagerank = worth["nearest", "on"], worth["pagerank", "off, tried at 100"]
    assert nearest.mean is not None
    assert pagerank.mean is not None
    assert (nearest.mean.value, pagerank.mean.value) == (0.5, 0.5)
    assert (nearest.changed, nearest.viewers) == (1, 1)
    boosts = worth["boosts", "on"]
    assert (boosts.changed, boosts.mean) == (0, None), "the same two: there were no rules to boost by"


def test_the_page_says_how_good_the_predictions_are_and_for_whom() -> None:
    ends = {"calibration_low": 0.001, "calibration_high": 0.026, "calibration_noise": 0.007}
    group = {"decisions": 5_313, "members": 870, "calibration_error": 0.016, **ends}
    order = {"decisions": 31_942, "auc": 0.729, "auc_low": 0.722, "auc_high": 0.736}
    like = {**order, **ends, "calibration_error": 0.033, "by_group": {"home market: Lisbon": group}}
    lines = predictions_as_markdown({"dating": {"like": like}}, command="c", size="3 members.").splitlines()
    assert (
        "| dating | like | 31,942 | 0.729 (0.722 to 0.736) | – | 0.033 (0.001 to 0.026) | 0.007 | "
        "too few to tell |"
    ) in lines
    assert lines[-1] == (
        "| dating | like | home market: Lisbon | 5,313 | 870 | 0.016 (0.001 to 0.026) | 0.007 |"
    )


def test_the_table_says_which_way_and_claims_nothing_where_no_list_changed() -> None:
    worth = (
        Worth("nearest", "on", viewers=200, changed=150, mean=Mean(0.2, 0.1, 0.3)),
        Worth("pagerank", "off, tried at 100", viewers=200, changed=9, mean=Mean(-0.004, -0.01, 0.001)),
        Worth("boosts", "on", viewers=200, changed=0, mean=None),
    )
    sizes: dict[str, Any] = {
        "viewers": 600,
        "ablated": 200,
        "eligible": 10.0,
        "market": "Paris",
        "market_viewers": 5,
    }
    result = SurfaceResult(surface="dating", kind="member", rows=(), worth=worth, **sizes)
    lines = as_markdown([result], command="manage.py evaluate", size="3 members.").splitlines()
    assert lines[-5:] == [
        "| what | in ours | lists changed | worth |",
        "| --- | --- | ---: | ---: |",
        "| nearest | on | 150 of 200 | +0.200 (+0.100 to +0.300) |",
        "| pagerank | off, tried at 100 | 9 of 200 | -0.004 (-0.010 to +0.001) |",
        "| boosts | on | 0 of 200 | not measured |",
    ]
