"""Why they are shown, and why not: the first stage that lost them, and a change that really shows them."""

from dataclasses import replace

import numpy as np
import pytest

from apps.pipeline.contracts import Request
from apps.pipeline.lineup import PEOPLE
from apps.pipeline.params import PipelineParams
from apps.pipeline.reranking.order import reranked
from apps.pipeline.run import explain, run
from apps.pipeline.table import Table
from tests.pipeline.markets import member_table, people, random_members, request_for, snapshot_of, vector
from tests.pipeline.rulebook import live, spec

PRODUCT = PipelineParams(reciprocity="product", weights={"closeness": 0.5})


def test_somebody_shown_has_a_rank_and_a_waterfall_that_adds_up():
    model = {"like": {"intercept": 0.0, "weights": {"appeal": 1.0}}}
    snapshot = snapshot_of(
        member_table([{}, {"appeal": np.log(4), "price": 0.1, "x": 1000}, {}]), models=model
    )
    request = request_for(snapshot, 1, params=PRODUCT)
    told = explain(request, 2)
    assert (told.shown, told.stage, told.code, told.private) == (True, "shown", "shown", False)
    assert told.rank == 1 + run(request).numbers.tolist().index(2)
    fall = told.waterfall
    assert fall["p"] == pytest.approx(0.8)
    assert fall["q"] == pytest.approx(0.5)
    assert fall["phi"] == pytest.approx(0.4)
    assert fall["features"]["closeness"] == pytest.approx({"value": 0.5, "weight": 0.5, "contribution": 0.25})
    assert fall["price"] == pytest.approx(0.1)
    assert fall["score"] == pytest.approx(0.4 + 0.25 - 0.1)


@pytest.mark.parametrize(
    ("candidate", "request_", "code", "private"),
    [
        ({}, {"excluded": [2]}, "excluded", True),
        ({}, {"gone": [2]}, "gone", True),
        ({"birth_date": 0}, {}, "not_adult", True),
        ({"market": 1}, {}, "other_market", False),
        ({"intents": 0}, {}, "intents", False),
        ({"seeking": 0}, {}, "gender_sought_by_candidate", True),
    ],
)
def test_a_refusal_names_its_rule_and_whether_it_is_private(candidate, request_, code, private):
    snapshot, _ = people(viewer={}, candidate=candidate)
    told = explain(request_for(snapshot, 1, **request_), 2)
    assert (told.shown, told.stage, told.code, told.private) == (False, "filters", code, private)


def test_oneself_and_strangers():
    snapshot, _ = people(viewer={}, other={})
    assert explain(request_for(snapshot, 1), 1).code == "self"
    assert explain(request_for(snapshot, 1), 77).code == "unknown"
    assert explain(request_for(snapshot, 1), -1).code == "unknown"
    assert explain(request_for(snapshot, 1, only=[1]), 2).code == "unknown"


def test_a_private_rule_beside_an_open_one_makes_the_answer_private():
    snapshot, _ = people(viewer={}, candidate={"market": 1, "age_min": 40})
    told = explain(request_for(snapshot, 1), 2)
    assert (told.code, told.private) == ("other_market", True)
    assert [change["field"] for change in told.change] == ["market", "age_min"]


def test_two_markets_have_no_distance_to_tell_of():
    snapshot, _ = people(viewer={"max_distance": 5}, candidate={"market": 1, "x": 9000, "max_distance": 5})
    told = explain(request_for(snapshot, 1), 2)
    assert (told.code, told.private) == ("other_market", False)
    assert [change["field"] for change in told.change] == ["market"]


def changed(request: Request, candidate: int, changes) -> Request:
    """The request after these changes to the two members."""
    table = request.data.candidates
    columns = {name: column.copy() for name, column in table.columns.items()}
    for change in changes:
        number = candidate if change["of"] == "candidate" else request.viewer.number
        columns[change["field"]][request.data.row_of[number]] = change["to"]
    return request_for(snapshot_of(replace(table, columns=columns)), request.viewer.number)


def test_making_the_changes_shows_the_candidate():
    snapshot, _ = people(
        viewer={"age_max": 25, "max_distance": 3, "gender": 1},
        candidate={"x": 400, "y": 301, "age_min": 35, "max_distance": 2},
    )
    request = request_for(snapshot, 1)
    told = explain(request, 2)
    assert len(told.change) == 4
    assert explain(changed(request, 2, told.change), 2).shown
    for left_out in range(4):
        others = [change for i, change in enumerate(told.change) if i != left_out]
        assert not explain(changed(request, 2, others), 2).shown


def test_a_fact_that_no_setting_changes_leaves_nothing_to_change():
    snapshot, _ = people(viewer={"age_max": 25}, candidate={})
    assert explain(request_for(snapshot, 1, excluded=[2]), 2).change == ()


def test_whom_no_source_proposed_would_come_with_a_larger_quota():
    snapshot = snapshot_of(
        member_table([{"taste": vector(1.0)}, {"looks": vector(2.0)}, {"looks": vector(1.0)}, {}])
    )
    params = PipelineParams(quotas={"nearest": 1, "recently_active": 0})
    request = request_for(snapshot, 1, params=params)
    told = explain(request, 4)
    assert (told.stage, told.code) == ("retrieval", "not_proposed")
    assert told.change == ({"of": "policy", "field": "quotas.nearest", "from": 1, "to": 3},)
    assert explain(
        replace(request, params=replace(params, quotas={"nearest": 3, "recently_active": 0})), 4
    ).shown


def test_below_the_list_the_score_to_reach_is_told():
    snapshot = snapshot_of(
        random_members(
            80,
            3,
            market=0,
            birth_date=19900101,
            seeking=7,
            gender=1,
            intents=1,
            age_min=18,
            age_max=99,
            max_distance=0,
        )
    )
    request = request_for(snapshot, 5, limit=3)
    slate = run(request)
    told = explain(request, int(slate.numbers[4]))
    assert (told.shown, told.stage, told.code, told.rank) == (False, "ranking", "below_the_list", 5)
    assert told.change[0]["to"] == pytest.approx(float(slate.scores[2]))
    assert told.waterfall["score"] == pytest.approx(float(slate.scores[4]))


def crowd(seed: int) -> Table:
    """80 members who are eligible for each other, of few industries."""
    alike = {"market": 0, "birth_date": 19900101, "seeking": 7, "gender": 1, "intents": 1}
    open_to_all = {"age_min": 18, "age_max": 99, "max_distance": 0}
    return random_members(80, seed, **alike, **open_to_all, industries=1 << np.arange(80) % 3)


@pytest.mark.parametrize(
    ("knobs", "stage"),
    [
        ({"diversity": 0.9}, "diversity"),
        ({"industry_window": 2}, "windows"),
        ({}, "placements"),
        ({"exploration": 0.5}, "exploration"),
        ({"exploration": 0.5, "likes_share": 0.4}, "likes"),
    ],
)
def test_the_stage_that_moved_somebody_out_of_the_list_is_named(knobs, stage):
    """Whoever was in by score, and is out after that stage alone."""
    params, lost = PipelineParams(**knobs), 0
    for seed in range(12):
        snapshot = snapshot_of(crowd(seed))
        liked_by = [n for n in range(1, 60) if n != 5] if stage == "likes" else []
        rules = live(snapshot, spec("r", candidates=0, slots=(1, 2, 3))) if stage == "placements" else None
        request = request_for(snapshot, 5, limit=6, params=params, seed=seed, liked_by=liked_by, rules=rules)
        shown = set(run(request).numbers[:6].tolist())
        others = frozenset({"diversity", "windows", "placements", "likes", "exploration"})
        by_score = run(replace(request, params=replace(params, disabled_stages=others)))
        for candidate in set(by_score.numbers[:6].tolist()) - shown:
            told = explain(request, candidate)
            assert told.stage == "reranking"
            lost += told.code == f"lost_to_{stage}"
        below = next(n for n in by_score.numbers[6:].tolist() if n not in shown)
        assert explain(request, below).code == "below_the_list"
    assert lost > 0


@pytest.mark.parametrize("knobs", [{"exploration": 0.5}, {"diversity": 0.6}, {"industry_window": 2}])
def test_the_score_to_reach_is_higher_and_reaches_the_list(knobs):
    snapshot = snapshot_of(crowd(3))
    request = request_for(snapshot, 5, limit=6, params=PipelineParams(**knobs), seed=4)
    slate, told_of = run(request, detailed=True), 0
    for i, candidate in enumerate(slate.pool.table["number"].tolist()):
        told = explain(request, candidate)
        if told.shown or not told.change:
            continue
        (change,) = told.change
        assert change["to"] > change["from"] == slate.pool.score[i]
        raised = slate.pool.score.copy()
        raised[i] = np.nextafter(np.float32(change["to"]), np.float32(np.inf))
        *_, (_, order) = reranked(request, replace(slate.pool, score=raised), PEOPLE.rerankers)
        assert i in order.positions[:6]
        told_of += 1
    assert told_of > 20


def test_a_larger_quota_that_shows_nobody_comes_with_the_score_to_reach():
    looks = [{"looks": vector(score)} for score in (3.0, 2.0, 1.0)]
    snapshot = snapshot_of(member_table([{"taste": vector(1.0)}, *looks]))
    params = PipelineParams(quotas={"nearest": 1, "recently_active": 0})
    told = explain(request_for(snapshot, 1, params=params, limit=1), 4)
    assert [change["field"] for change in told.change] == ["quotas.nearest", "score"]
    assert told.change[1]["to"] > told.change[1]["from"]


def test_who_is_not_drawn_for_the_hold_out_is_told_so():
    snapshot = snapshot_of(crowd(3))
    request = request_for(snapshot, 5, limit=3, params=PipelineParams(random_order=True))
    shown = run(request).numbers[:3].tolist()
    candidate = next(n for n in range(1, 81) if n not in [5, *shown])
    told = explain(request, candidate)
    assert (told.shown, told.stage, told.code, told.change) == (False, "random_order", "not_drawn", ())


def test_in_a_random_order_there_is_a_rank_and_no_waterfall():
    snapshot, _ = people(viewer={}, a={}, b={})
    told = explain(request_for(snapshot, 1, params=PipelineParams(random_order=True)), 2)
    assert told.shown
    assert told.waterfall is None


def test_a_newcomer_can_be_explained():
    snapshot, _ = people(viewer={}, a={})
    request = request_for(snapshot, 1, newcomers=member_table([{}, {"birth_date": 0}], first_number=10))
    assert explain(request, 10).shown
    assert explain(request, 11).code == "not_adult"


def test_the_waterfall_of_somebody_who_liked_the_viewer_is_that_of_anybody():
    snapshot, _ = people(viewer={}, liker={}, other={})
    liked = explain(request_for(snapshot, 1, liked_by=[2]), 2)
    assert liked.waterfall == explain(request_for(snapshot, 1), 2).waterfall
