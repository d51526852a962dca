"""The score on markets of a few members: Phi, plus weighted features, minus the price."""

from dataclasses import replace

import numpy as np
import pytest

from apps.pipeline.contracts import Pool
from apps.pipeline.features import registry
from apps.pipeline.params import PipelineParams
from apps.pipeline.ranking.predictions import PAIR_FEATURES
from apps.pipeline.ranking.reciprocity import combine
from apps.pipeline.ranking.score import BOUND, parts_of, score_pool, total
from apps.pipeline.run import run
from tests.pipeline.markets import (
    DAY,
    member_table,
    people,
    place_table,
    random_members,
    random_places,
    request_for,
    snapshot_of,
    vector,
)

EVEN = {"intercept": 0.0, "weights": {"appeal": 1.0}}  # p = logistic(appeal of the candidate)


def scored(candidates, params, models=None, viewer=None):
    table = member_table([viewer or {}, *candidates])
    snapshot = snapshot_of(table, models=models or {"like": EVEN})
    request = request_for(snapshot, 1, params=params)
    slate = run(request, detailed=True)
    return {int(n): float(s) for n, s in zip(slate.numbers, slate.scores, strict=True)}


def test_phi_plus_newcomer_minus_price():
    joined_a_week_ago = {"joined_day": DAY - 7, "price": 0.125}
    params = PipelineParams(weights={"newcomer": 0.5}, reciprocity="product")
    assert scored([joined_a_week_ago], params) == pytest.approx({2: 0.25 + 0.5 * 0.5 - 0.125})


def test_the_trace_says_how_much_each_objective_gave_to_who_is_shown():
    """Two are shown: phi is .25 for both, the feature gives .5 x (1 and .5), the price takes .125 of one."""
    candidates = [{"joined_day": DAY, "price": 0.125}, {"joined_day": DAY - 7}]
    params = PipelineParams(weights={"newcomer": 0.5}, reciprocity="product")
    snapshot = snapshot_of(member_table([{}, *candidates]), models={"like": EVEN})
    slate = run(request_for(snapshot, 1, params=params))
    stage = next(stage for stage in slate.trace.as_json() if stage["stage"] == "slate")
    assert stage["parts"] == pytest.approx({"phi": 0.25, "price": 0.0625, "newcomer": 0.375})


def test_each_side_counts_in_its_own_direction():
    liked_by_all = {"appeal": np.log(4.0)}  # p = .8
    viewer = {"appeal": -np.log(4.0)}  # q = .2
    of = lambda rule: scored([liked_by_all], PipelineParams(reciprocity=rule), viewer=viewer)[2]  # noqa: E731
    assert of("viewer_only") == pytest.approx(0.8, rel=1e-5)
    assert of("harmonic") == pytest.approx(0.32, rel=1e-5)


def test_a_snapshot_without_learnt_numbers_still_ranks_by_affinity():
    taste = {"taste": vector(1.0)}
    near, far = {"looks": vector(1.0)}, {"looks": vector(-1.0)}
    ranked = scored([far, near], PipelineParams(), models={"other": 1}, viewer=taste)
    assert ranked[3] > ranked[2]


def test_a_price_that_is_not_a_number_counts_nothing():
    assert scored([{"price": np.nan}], PipelineParams(reciprocity="product")) == pytest.approx({2: 0.25})


def test_stages_of_the_score_can_be_switched_off():
    candidate = [{"joined_day": DAY, "price": 0.1, "appeal": 2.0}]
    weights = {"newcomer": 1.0}

    def without(*stages):
        return scored(candidate, PipelineParams(weights=weights, disabled_stages=frozenset(stages)))[2]

    everything = without()
    assert without("price") == pytest.approx(everything + 0.1, rel=1e-5)
    assert without("features") == pytest.approx(everything - 1.0, rel=1e-4)
    assert without("predictions") == pytest.approx(0.5 + 1.0 - 0.1, rel=1e-5)


def test_a_broken_feature_costs_its_adjustment_and_is_told(monkeypatch):
    def broken(request, pool):
        raise ZeroDivisionError

    feature = registry.Feature("activity", "Broken.", broken, "events", default=0.25)
    monkeypatch.setitem(registry.FEATURES["member"], "activity", feature)
    snapshot, _ = people(ann={}, bob={})
    request = request_for(snapshot, 1, params=PipelineParams(weights={"activity": 1.0}))
    slate = run(request, detailed=True)
    assert slate.numbers.tolist() == [2]
    assert slate.pool.features["activity"].tolist() == [0.25]
    assert [s.detail for s in slate.trace.stages if s.stage == "score"] == [{"lost_features": ("activity",)}]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("factors", [True, False])
def test_a_score_is_the_sum_that_numpy_makes(seed, factors):
    """Phi x factors, plus weight x feature one after the other, minus the price: bit for bit. And what each
    of these gave in the mean to some of them."""
    g = np.random.default_rng(seed)
    table = random_members(40, seed, market=0)
    table["price"][::7] = np.nan
    weights = {"activity": -0.3, "closeness": 0.7, "shared_skills": 1e3, "newcomer": 0.0, "appeal": np.nan}
    request = request_for(snapshot_of(table), 3, params=PipelineParams(weights=weights))
    pool, _ = score_pool(request, Pool(table, np.zeros(40, "u4")))
    pool = replace(pool, multiplier=g.random(40) if factors else None)
    expected = combine(pool.p, pool.q, rule="harmonic", weight=0.5).astype("f8")
    if pool.multiplier is not None:
        expected *= pool.multiplier
    given = {"phi": expected.copy()}
    for name, column in pool.features.items():
        given[name] = np.float32(weights[name]) * column
        expected += given[name]
    given["price"] = np.where(np.isfinite(table["price"]), table["price"], 0.0)
    expected -= given["price"]
    rows = g.permutation(40)[:15]
    parts = {name: np.abs(column[rows]).astype("f8").mean() for name, column in given.items()}
    assert parts_of(request, pool, rows) == pytest.approx(parts, abs=1e-5)
    np.testing.assert_array_equal(total(request, pool), expected.astype("f4"), strict=True)
    assert set(pool.features) == {"activity", "closeness", "shared_skills"}


@pytest.mark.parametrize("kind", ["member", "place"])
def test_a_score_does_not_depend_on_who_else_is_in_the_list(kind):
    """Every declared feature weighed, every prediction learnt: of many, of some and alone the same bits."""
    members = random_members(40, 3, market=0)
    table = members if kind == "member" else random_places(40, 4, market=0)
    weights = {name: 0.01 * (i + 1) for i, name in enumerate(registry.FEATURES[kind])}
    models = {
        name: {"intercept": -0.3, "weights": dict.fromkeys(PAIR_FEATURES[kind], 0.1)}
        for name in ("like", "reply", "stays")
    }
    ties = {"edges": [(1, n) for n in range(2, 12)] + [(n, n + 1) for n in range(5, 30)]}
    ties |= {"near": [(1, n) for n in range(2, 20)]} if kind == "member" else {"saves": [(5, 3), (6, 3)]}
    snapshot = snapshot_of(
        table,
        surface="dating" if kind == "member" else "travel",
        viewers=None if kind == "member" else members,
        models=models,
        **ties,
    )
    lineup = "people" if kind == "member" else "places"
    request = request_for(snapshot, 1, params=PipelineParams(lineup=lineup, weights=weights))

    def of(rows):
        pool, lost = score_pool(
            request, Pool(request.data.candidates.gather(rows), np.zeros(len(rows), "u4"))
        )
        assert not lost
        assert set(pool.features) == set(registry.FEATURES[kind])
        return dict(zip(pool.table["number"].tolist(), pool.score.tolist(), strict=True))

    everybody = of(np.arange(1, 40))
    assert len(set(everybody.values())) > 30
    some = of(np.arange(38, 0, -2))
    alone = {number: score for row in range(1, 40) for number, score in of(np.array([row])).items()}
    assert some == {number: everybody[number] for number in some}
    assert alone == everybody


@pytest.mark.parametrize("kind", ["member", "place"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_number_in_a_column_makes_a_score_that_is_none(kind, bad):
    members = random_members(30, 1, market=0)
    table = members if kind == "member" else random_places(30, 2, market=0)
    for column in table.columns.values():
        if column.dtype == np.float32:
            column[::2] = bad
    weights = dict.fromkeys(registry.FEATURES[kind], 1e30)
    snapshot = snapshot_of(
        table,
        surface="dating" if kind == "member" else "travel",
        viewers=None if kind == "member" else members,
    )
    lineup = "people" if kind == "member" else "places"
    request = request_for(snapshot, 5, params=PipelineParams(lineup=lineup, weights=weights))
    pool, _ = score_pool(request, Pool(request.data.candidates, np.zeros(30, "u4")))
    assert np.all(np.isfinite(pool.score))
    assert np.all(np.abs(pool.score) <= BOUND)


def test_places_are_one_sided():
    model = {"like": {"intercept": 0.0, "weights": {"popularity": 1.0}}}
    table = place_table([{"popularity": 0.0}, {"popularity": np.log(4.0)}])
    snapshot = snapshot_of(table, surface="travel", viewers=member_table([{}]), models=model)
    slate = run(request_for(snapshot, 1))
    assert slate.numbers.tolist() == [2, 1]
    assert slate.scores == pytest.approx([0.8, 0.5], rel=1e-5)


def test_a_like_already_given_moves_no_score():
    table = member_table([{}, {}, {}])
    slate = run(request_for(snapshot_of(table, models={"like": EVEN}), 1, liked_by=[3]))
    assert slate.numbers.tolist() == [2, 3]
    assert slate.scores == pytest.approx([0.5, 0.5], rel=1e-4)
