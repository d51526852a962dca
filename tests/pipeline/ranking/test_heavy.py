"""The heavy ranker: whom it looks at, what it may change, and that its walk is scikit-learn's."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.learning.heavy_model import HeavyModel, boosted, matrix_of, stored
from apps.pipeline.explain import explain_candidate
from apps.pipeline.params import PipelineParams, Widths
from apps.pipeline.ranking.heavy import MOST_TREES, check_trees, heavy_probability
from apps.pipeline.run import run
from apps.pipeline.snapshot import open_snapshot, write_snapshot
from tests.pipeline.markets import (
    member_table,
    place_table,
    random_members,
    request_for,
    snapshot_of,
)

EVEN = {"intercept": 0.0, "weights": {"appeal": 1.0}}  # light: p = logistic(appeal of the candidate)
NAMES = ["light", "age_gap", "same_industry"]


def one_question(name: str, limit: float, below: float, above: float) -> HeavyModel:
    """A single tree with a single question, in log-odds."""
    arrays = {
        "heavy.feature": np.array([[NAMES.index(name)]], "u1"),
        "heavy.threshold": np.array([[limit]], "f4"),
        "heavy.leaf": np.array([[below, above]]),
    }
    return HeavyModel({"features": NAMES, "baseline": 0.0}, arrays)


SAME_INDUSTRY = one_question("same_industry", 0.5, -2.0, 2.0)


def ranked(snapshot, *, width: int, **more):
    params = PipelineParams(heavy_width=width, reciprocity="viewer_only", lineup=more.pop("lineup", "people"))
    return run(request_for(snapshot, 1, params=params, **more), detailed=True)


def with_heavy(table, heavy: HeavyModel = SAME_INDUSTRY, **more):
    return snapshot_of(table, models={"like": EVEN, "heavy": heavy.model}, arrays=heavy.arrays, **more)


def scores(slate):
    return dict(zip(slate.numbers.tolist(), slate.scores.tolist(), strict=True))


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    columns=st.integers(1, 6),
    levels=st.sampled_from([2, 5, 400]),  # few values: ties at the thresholds; two: trees that end early
    scale=st.sampled_from([1e-6, 1.0, 3e5]),
)
def test_the_walk_gives_what_scikit_learn_gives(seed, columns, levels, scale):
    rng = np.random.default_rng(seed)
    n = 400
    values = (rng.integers(0, levels, (columns, n)) - levels / 3).astype("f4") * np.float32(scale)
    names = ["light", *(f"f{i}" for i in range(1, columns))]
    features = dict(zip(names, values, strict=True))
    liked = rng.random(n) < np.where(values[0] > values[-1], 0.8, 0.3)
    fitted = boosted(matrix_of(features), liked, trees=12)
    model = stored(fitted, names)
    check_trees(model.model, model.arrays)
    expected = fitted.predict_proba(matrix_of(features))[:, 1]
    assert np.abs(model.predict(features) - expected).max() <= 1e-6


def test_a_hundred_trees_over_all_features_give_what_scikit_learn_gives():
    """As many as may be served, on real-valued features: nothing adds up to more than 1e-6."""
    rng = np.random.default_rng(1)
    n = 4_000
    names = ["light", *(f"f{i}" for i in range(11))]
    features = {name: rng.normal(size=n).astype("f4") for name in names}
    features["f0"] = np.round(features["f0"])
    odds = features["f1"] * features["f2"] + np.where(features["f0"] > 0, features["f3"], -features["f4"])
    fitted = boosted(matrix_of(features), rng.random(n) < 1 / (1 + np.exp(-odds)))
    model = stored(fitted, names)
    assert model.arrays["heavy.feature"].shape[0] == MOST_TREES
    check_trees(model.model, model.arrays)
    expected = fitted.predict_proba(matrix_of(features))[:, 1]
    assert np.ptp(expected) > 0.8
    assert np.abs(model.predict(features) - expected).max() <= 1e-6


def test_what_is_not_a_number_and_what_is_missing_count_nothing():
    heavy = one_question("age_gap", -0.5, -1.0, 1.0)
    light = np.full(3, 0.5, "f4")
    gaps = np.array([np.nan, np.inf, -1.0], "f4")
    known = heavy_probability({"light": light, "age_gap": gaps}, heavy.model, heavy.arrays)
    assert known == pytest.approx([1 / (1 + np.exp(-1.0))] * 2 + [1 / (1 + np.exp(1.0))])
    unknown = heavy_probability({"light": light}, heavy.model, heavy.arrays)
    assert unknown == pytest.approx([1 / (1 + np.exp(-1.0))] * 3)


def test_the_best_of_the_light_ranker_get_the_heavy_ones_chances_and_the_others_keep_theirs():
    """Appeal orders 2, 3, 4; among the best two, 3 is of the viewer's industry, and 4 is not asked."""
    viewer = {"industries": 1}
    candidates = [{"appeal": 2.0}, {"appeal": 1.0, "industries": 1}, {"appeal": 0.0, "industries": 1}]
    slate = ranked(with_heavy(member_table([viewer, *candidates])), width=2)
    expected = {3: 1 / (1 + np.exp(-2.0)), 4: 0.5, 2: 1 / (1 + np.exp(2.0))}
    assert scores(slate) == pytest.approx(expected)
    assert slate.numbers.tolist() == [3, 4, 2]
    assert next(s for s in slate.trace.stages if s.stage == "score").detail["heavy"] == 2


def test_both_directions_are_looked_at_again():
    older = one_question("age_gap", 0.0, -1.0, 1.0)  # whoever is asked likes the older
    table = member_table([{"birth_date": 19960602}, {"birth_date": 19860602}])
    slate = ranked(with_heavy(table, older), width=1)
    assert slate.pool is not None
    assert slate.pool.p == pytest.approx([1 / (1 + np.exp(-1.0))])
    assert slate.pool.q == pytest.approx([1 / (1 + np.exp(1.0))])


@pytest.mark.parametrize("width", [0, 1, 7, 500])
def test_what_the_heavy_ranker_says_of_somebody_does_not_depend_on_who_else_is_there(width):
    table = random_members(60, 5, market=0, gender=1, seeking=1, birth_date=19960601, age_min=0, age_max=0,
                           intents=1, max_distance=0, x=0, y=0)  # fmt: skip
    snapshot = with_heavy(table)
    everybody = ranked(snapshot, width=width, limit=60)
    assert everybody.pool is not None
    by_heavy = (
        everybody.pool.heavy if everybody.pool.heavy is not None else np.zeros(len(everybody.pool), "?")
    )
    assert by_heavy.sum() == min(width, len(everybody.pool))
    of_all = scores(everybody)
    for number, heavy in zip(everybody.pool.table["number"].tolist(), by_heavy.tolist(), strict=True):
        alone = ranked(snapshot, width=1 if heavy else 0, only=[number])
        assert scores(alone)[number] == of_all[number]


@pytest.mark.parametrize(("narrow", "expected"), [(0, 0), (1, 1), (120, 2)])
def test_a_request_without_time_looks_at_fewer(narrow, expected):
    table = member_table([{"industries": 1}, *[{"industries": 1}] * 3])
    slate = ranked(with_heavy(table), width=2, widths=Widths(heavy=narrow))
    assert slate.pool is not None
    assert (0 if slate.pool.heavy is None else slate.pool.heavy.sum()) == expected


@pytest.mark.parametrize("off", ["predictions", "heavy_ranker"])
def test_it_can_be_switched_off(off):
    table = member_table([{"industries": 1}, {"industries": 1}])
    params = PipelineParams(heavy_width=9, reciprocity="viewer_only", disabled_stages=frozenset({off}))
    slate = run(request_for(with_heavy(table), 1, params=params))
    assert scores(slate) == pytest.approx({2: 0.5})


def test_a_snapshot_without_a_heavy_ranker_is_served_by_the_light_one():
    table = member_table([{"industries": 1}, {"industries": 1}])
    slate = ranked(snapshot_of(table, models={"like": EVEN}), width=120)
    assert scores(slate) == pytest.approx({2: 0.5})


def test_trees_that_are_lost_cost_the_second_look_and_not_the_list():
    table = member_table([{"industries": 1}, {"industries": 1}])
    broken = snapshot_of(table, models={"like": EVEN, "heavy": SAME_INDUSTRY.model})
    slate = ranked(broken, width=120)
    assert scores(slate) == pytest.approx({2: 0.5})
    assert next(s for s in slate.trace.stages if s.stage == "score").detail["lost_features"] == (
        "heavy_ranker",
    )


def test_on_places_nobody_answers():
    places = place_table([{"number": 5}, {"number": 6}])
    heavy = one_question("light", 0.1, -1.0, 1.0)
    snapshot = with_heavy(places, heavy, surface="travel", viewers=member_table([{}]))
    slate = ranked(snapshot, width=1, lineup="places")
    assert slate.pool is not None
    assert sorted(slate.pool.p.tolist()) == pytest.approx([0.5, 1 / (1 + np.exp(-1.0))])
    assert slate.pool.q.tolist() == slate.pool.p.tolist()


def test_the_waterfall_says_whose_chances_they_are():
    table = member_table([{"industries": 1}, {"appeal": 1.0, "industries": 1}, {"appeal": 0.0}])
    params = PipelineParams(heavy_width=1, reciprocity="viewer_only")
    request = request_for(with_heavy(table), 1, params=params)
    first, second = (explain_candidate(request, number, run).waterfall for number in (2, 3))
    assert first is not None
    assert second is not None
    assert (first["ranker"], second["ranker"]) == ("heavy", "light")
    assert first["p"] == first["phi"] == first["score"] == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_what_the_last_hours_gave_is_measured_by_the_ranker_that_was_asked():
    table = member_table([{"industries": 1}, {"industries": 1}])
    request = request_for(with_heavy(table), 1, params=PipelineParams(heavy_width=1))
    moved = replace(request, viewer=replace(request.viewer, moved=np.zeros(32, "f4")))
    slate = run(moved, detailed=True)
    from apps.pipeline.explain import waterfall_of

    assert slate.pool is not None
    assert waterfall_of(moved, slate.pool, 0)["session"] == 0.0


def test_the_trees_lie_in_the_snapshot_and_name_its_version(tmp_path):
    table = member_table([{"industries": 1}, {"industries": 1}])
    write_snapshot(with_heavy(table), tmp_path / "one")
    write_snapshot(with_heavy(table, one_question("same_industry", 0.5, -2.0, 1.0)), tmp_path / "two")
    one, two = open_snapshot(tmp_path / "one"), open_snapshot(tmp_path / "two")
    assert scores(ranked(one, width=1)) == scores(ranked(with_heavy(table), width=1))
    versions = [s.manifest["surfaces"]["dating"]["model_version"] for s in (one, two)]
    assert versions[0] != versions[1]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("heavy.feature", np.array([[9]], "u1")),
        ("heavy.threshold", np.array([[np.nan]], "f4")),
        ("heavy.leaf", np.array([[0.0, np.inf]])),
        ("heavy.leaf", np.array([[0.0]])),
        ("heavy.feature", np.zeros((1, 2), "u1")),
    ],
)
def test_trees_that_cannot_be_walked_are_found(part, value):
    with pytest.raises(ValueError, match="trees"):
        check_trees(SAME_INDUSTRY.model, {**SAME_INDUSTRY.arrays, part: value})
