"""What comes of pairs: the labels, what is left out, and what is learnt of them."""

import numpy as np
import pytest

from apps.learning.as_of import Past
from apps.learning.decisions import Decisions, decisions_of
from apps.learning.heads import Outcomes, came_back, fit_heads
from apps.learning.judging import Groups
from apps.learning.members import learn_members
from apps.pipeline.contracts import Pool
from apps.pipeline.params import PipelineParams
from apps.pipeline.ranking.score import score_pool
from apps.pipeline.run import run
from apps.pipeline.table import table_from_columns
from tests.learning.worlds import NOW, TODAY, two_camps
from tests.pipeline.markets import member_table, request_for, snapshot_of

DAY = 86400
TODAY_NUMBER = int(NOW // DAY)
NONE = decisions_of([], [], [])


@pytest.mark.parametrize(
    ("active_after", "back"),
    [([], False), ([0, 7], False), ([8], True), ([28], True), ([29], False), ([7, 29], False), ([15], True)],
)
def test_back_is_whoever_did_anything_on_days_8_to_28(active_after, back):
    decided = TODAY_NUMBER - 40
    decisions = decisions_of([1], [0], [True], [decided * DAY + 5])
    days = np.array([decided + after for after in active_after] + [decided + 10], "i8")
    rows = np.array([1] * len(active_after) + [2], "i4")  # row 2 is somebody else
    assert came_back(decisions, rows, days, now=NOW).liked.tolist() == [back]


def test_what_is_too_young_to_judge_is_left_out_and_not_counted_as_no():
    ages = np.array([0, 27, 28, 29, 60])
    decisions = decisions_of([0] * 5, [1] * 5, [True] * 5, (TODAY_NUMBER - ages) * DAY)
    judged = came_back(decisions, np.zeros(0, "i4"), np.zeros(0, "i4"), now=NOW)
    assert judged.at.tolist() == [(TODAY_NUMBER - age) * DAY for age in (29, 60)]
    assert not judged.liked.any()


def pairs(n: int, chance, members: int = 300, seed: int = 2) -> tuple[Decisions, np.ndarray]:
    rng = np.random.default_rng(seed)
    source = rng.integers(0, members, n)
    target = (source + rng.integers(1, members, n)) % members
    said = rng.random(n) < chance(source, target)
    return decisions_of(source, target, said, NOW - rng.random(n) * 40 * DAY), said


@pytest.fixture(scope="module")
def members():
    rng = np.random.default_rng(1)
    return table_from_columns(
        "member",
        {
            "number": np.arange(1, 301),
            "market": rng.integers(0, 2, 300),
            "industries": rng.integers(1, 4, 300),
            "birth_date": 19900101,
            "appeal": rng.normal(size=300),
            "joined_day": TODAY_NUMBER - 100,
        },
        300,
    )


def test_a_reply_is_foretold_from_both_sides_and_as_often_as_it_comes(members):
    appeal = members["appeal"]

    def chance(a, b):
        return 1 / (1 + np.exp(appeal[a] + appeal[b]))  # whoever is much liked answers few

    replies, _ = pairs(24_000, chance)
    light = {"intercept": 0.0, "weights": {"appeal": 1.0}}  # whoever is liked, and likes, the other way round
    models, report = fit_heads(
        Past.of(members, members), 0, Outcomes(replies, NONE), Groups.of(members, NONE), light
    )
    assert models["reply"]["weights"]["appeal"] == pytest.approx(-2.0, rel=0.1)  # of the mean of both
    assert models["reply"]["weights"]["age_gap"] == 0.0  # the same whoever is asked first
    assert report["reply"]["calibration_error"] < 0.02
    assert report["reply"]["auc"] > 0.75
    assert report["reply"]["over_light_low"] > 0.5  # the light one has it upside down
    assert set(report["reply"]["by_group"]) == {"membership: 28 days and more", "decided before: under 20"}
    assert "stays" not in models


def test_a_reply_to_a_match_from_before_the_features_tells_nothing(members):
    replies, _ = pairs(2_000, lambda a, b: np.full(len(a), 0.5))
    models, report = fit_heads(
        Past.of(members, members), int(NOW), Outcomes(replies, NONE), Groups.of(members, NONE)
    )
    assert (models, report) == ({}, {})


def test_staying_is_foretold_by_what_no_behaviour_moves(members):
    def chance(a, b):
        return np.where(members["industries"][a] & members["industries"][b] != 0, 0.8, 0.4)

    stays, _ = pairs(20_000, chance)
    models, report = fit_heads(
        Past.of(members, members), int(NOW), Outcomes(NONE, stays), Groups.of(members, NONE)
    )
    assert models["stays"]["weights"]["same_industry"] == pytest.approx(np.log(4) - np.log(2 / 3), rel=0.1)
    assert "appeal" not in models["stays"]["weights"]
    assert report["stays"]["calibration_error"] < 0.02
    assert report["stays"]["yes"] == pytest.approx(stays.liked.mean(), abs=0.02)


def test_learning_a_surface_names_its_predictions():
    table, decisions, _ = two_camps(n=60)
    outcomes = Outcomes(decisions, decisions)
    learnt = learn_members(table, decisions, now=NOW, today=TODAY, outcomes=outcomes)
    assert learnt.report["models"] == ["like", "reply", "stays"]
    assert set(learnt.models) == {"like", "reply", "stays"}
    assert learnt.report["stays"]["decisions"] > 0


def test_a_prediction_is_an_objective_that_staff_weigh():
    """p of a reply is logistic(appeal of both on average): .75 for number 2, one half for number 3."""
    reply = {"intercept": 0.0, "weights": {"appeal": 1.0}}
    table = member_table([{}, {"appeal": 2 * np.log(3.0)}, {}])
    like = {"intercept": 0.0, "weights": {}}
    snapshot = snapshot_of(table, models={"like": like, "reply": reply})
    params = PipelineParams(weights={"reply": 0.4}, reciprocity="product")
    slate = run(request_for(snapshot, 1, params=params))
    assert dict(zip(slate.numbers.tolist(), slate.scores.tolist(), strict=True)) == pytest.approx(
        {2: 0.25 + 0.4 * 0.75, 3: 0.25 + 0.4 * 0.5}
    )


def test_staying_is_weighed_on_the_pair_as_it_was_learnt():
    stays = {"intercept": 0.0, "weights": {"same_industry": float(np.log(4.0))}}
    table = member_table([{"industries": 1}, {"industries": 1}, {"industries": 2}])
    snapshot = snapshot_of(table, models={"like": {"intercept": 0.0, "weights": {}}, "stays": stays})
    request = request_for(snapshot, 1, params=PipelineParams(weights={"stays": 1.0}))
    rows = request.data.row_of[[2, 3]]
    scored, lost = score_pool(request, Pool(request.data.candidates.gather(rows), np.zeros(2, "u4")))
    assert lost == ()
    assert scored.features["stays"] == pytest.approx([0.8, 0.5])


def test_without_the_prediction_its_weight_adds_nothing():
    table = member_table([{}, {}])
    snapshot = snapshot_of(table, models={"like": {"intercept": 0.0, "weights": {}}})
    params = PipelineParams(weights={"reply": 1.0, "stays": 1.0}, reciprocity="product")
    assert run(request_for(snapshot, 1, params=params)).scores.tolist() == pytest.approx([0.25])
