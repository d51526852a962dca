"""The one contract that every stage of every line-up keeps.

A source proposes rows, each once, at most its quota. A filter gives one answer per row. A scorer gives one
finite number per row, whatever the order of the rows. A reranker gives rows of the pool, each once. None of
them fails on an empty pool or changes what it was given, and each gives the same answer twice.
"""

from dataclasses import replace

import numpy as np
import pytest

from apps.pipeline.contracts import Pool
from apps.pipeline.filters import eligibility
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.params import PipelineParams
from apps.pipeline.ranking.score import score_pool
from apps.pipeline.ranking.served import LIKES, LIKES_BACK, RANKED, names_of, served_of
from apps.pipeline.reranking.order import by_score
from apps.pipeline.retrieval.eligible import find_eligible
from apps.pipeline.rules import SurfaceRules, live_rules
from tests.pipeline.markets import (
    NOW,
    member_table,
    place_table,
    random_members,
    random_places,
    request_for,
    snapshot_of,
)
from tests.pipeline.rulebook import spec

CASES = ("many", "few", "one", "nobody", "zeros", "everybody excluded")
SOURCES = [(name, source) for name, lineup in LINEUPS.items() for source in lineup.sources]
FEATURES = [(name, feature) for name, lineup in LINEUPS.items() for feature in lineup.features.values()]
RERANKERS = [(name, reranker) for name, lineup in LINEUPS.items() for reranker in lineup.rerankers]
SETS = [(name, set_name) for name, lineup in LINEUPS.items() for set_name in lineup.filters]


def named(value):
    return value if isinstance(value, str) else value.name


def request_of(lineup, case, eligibility_set=None):
    """A request whose snapshot can't be written to, as when it is mapped from a file."""
    n = {"many": 400, "few": 12, "one": 2, "nobody": 1, "zeros": 30, "everybody excluded": 30}[case]
    people = random_members(n, 1, market=0, birth_date=19900101, seeking=7, gender=1, intents=0xFFFF)
    people = replace(
        people,
        columns={**people.columns, "age_min": people["age_min"] * 0, "age_max": people["age_max"] * 0 + 120},
    )
    if case == "zeros":
        people = member_table([{} for _ in range(n)])
    if LINEUPS[lineup].kind == "place":
        places = place_table([{} for _ in range(n)]) if case == "zeros" else random_places(n, 1, market=0)
        places = places if case != "nobody" else places.gather(np.zeros(0, "i8"))
        snapshot = snapshot_of(places, surface="travel", viewers=people, saves=[(1, 3), (1, 4), (1, 4)])
    else:
        edges = [(1, 2), (2, 3), (2, 5), (1, 6), (6, 7)] if n > 10 else []
        snapshot = snapshot_of(people, surface=eligibility_set or LINEUPS[lineup].filters[0], edges=edges)
    for data in snapshot.surfaces.values():
        for table in (data.candidates, data.viewers):
            for column in table.columns.values():
                column.flags.writeable = False
    params = PipelineParams(
        lineup=lineup,
        diversity=0.5,
        exploration=0.5,
        weights=dict.fromkeys(LINEUPS[lineup].features, 0.1),
    )
    excluded = range(1, 401) if case == "everybody excluded" else [2]
    rules = live_rules(
        SurfaceRules((spec("pins", "pin", pins=(3, 5)), spec("slot", slots=(2,), share=0.5))),
        met=np.zeros(0, "u8"),
        now=NOW,
    )
    return request_for(
        snapshot,
        1,
        rules=rules,
        params=params,
        excluded=excluded,
        liked_by=[4, 5, 9, 400],
        limit=5,
        reserve=5,
    )


def pool_of(request):
    eligible, _ = find_eligible(request)
    n = len(eligible)
    return score_pool(request, Pool(eligible.pick(np.arange(n)), np.zeros(n, "u4")))[0]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("lineup", "source"), SOURCES, ids=named)
def test_a_source_proposes_rows_each_once_within_its_quota(lineup, source, case):
    request = request_of(lineup, case)
    eligible, _ = find_eligible(request)
    for quota in (1, 3, source.quota, 10_000):
        positions = source.propose(request, eligible, quota)
        assert len(positions) <= quota
        assert len(set(positions.tolist())) == len(positions)
        assert all(0 <= p < len(eligible) for p in positions)
        assert np.array_equal(positions, source.propose(request, eligible, quota))
    few, many = source.propose(request, eligible, 3), source.propose(request, eligible, 10_000)
    assert np.array_equal(few, many[: len(few)])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("lineup", "set_name"), SETS)
def test_a_filter_gives_one_answer_per_row_in_any_order(lineup, set_name, case):
    request = request_of(lineup, case, set_name)
    table = request.data.candidates
    refusals = eligibility.refusals(request, table)
    assert refusals.shape == (len(table),)
    shuffled = np.random.default_rng(0).permutation(len(table))
    assert np.array_equal(eligibility.refusals(request, table.gather(shuffled)), refusals[shuffled])
    assert np.array_equal(np.flatnonzero(refusals == 0), find_eligible(request)[0].rows)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("lineup", "feature"), FEATURES, ids=named)
def test_a_feature_gives_one_finite_number_per_row_in_any_order(lineup, feature, case):
    request = request_of(lineup, case)
    pool = pool_of(request)
    column = feature.column(request, pool)
    assert column.shape == (len(pool),)
    assert column.dtype == np.float32
    assert np.all(np.isfinite(column))
    shuffled = np.random.default_rng(0).permutation(len(pool))
    again = feature.column(request, Pool(pool.table.gather(shuffled), pool.sources[shuffled]))
    np.testing.assert_array_equal(again, column[shuffled])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("lineup", LINEUPS)
def test_the_score_is_one_finite_number_per_row_in_any_order(lineup, case):
    request = request_of(lineup, case)
    pool = pool_of(request)
    shuffled = np.random.default_rng(0).permutation(len(pool))
    again, _ = score_pool(request, Pool(pool.table.gather(shuffled), pool.sources[shuffled]))
    for name in ("p", "q", "score"):
        column = getattr(pool, name)
        assert column.shape == (len(pool),)
        assert column.dtype == np.float32
        assert np.all(np.isfinite(column))
        np.testing.assert_array_equal(getattr(again, name), column[shuffled])


@pytest.mark.parametrize("lineup", LINEUPS)
def test_what_is_said_of_a_candidate_does_not_depend_on_who_else_is_there(lineup):
    """Score, chances and each declared feature, of each candidate of a list alone as among all the others."""
    request = request_of(lineup, "many")
    pool = pool_of(request)
    names = ("p", "q", "score")
    together = [getattr(pool, name) for name in names] + list(pool.features.values())
    assert set(pool.features) == set(LINEUPS[lineup].features)
    for row in range(0, len(pool), 7):
        alone = Pool(pool.table.gather(np.array([row])), pool.sources[[row]])
        one, _ = score_pool(request, alone)
        of_one = [getattr(one, name) for name in names] + list(one.features.values())
        for name, column, found in zip((*names, *pool.features), together, of_one, strict=True):
            assert found[0] == column[row], name


@pytest.mark.parametrize("case", ["many", "few", "nobody"])
@pytest.mark.parametrize("scored", [True, False])
@pytest.mark.parametrize("lineup", LINEUPS)
def test_what_is_logged_is_every_declared_feature_of_the_best(lineup, scored, case):
    """Of a pool in random order too, which nobody scored."""
    request = request_of(lineup, case)
    best = pool_of(request)
    pool = best if scored else Pool(best.table, best.sources, p=best.p, q=best.q, score=0 * best.score)
    kept = np.arange(len(pool))[::-1][:15]
    served = served_of(request, pool, kept)
    assert served.names == names_of(LINEUPS[lineup].kind)
    assert served.values.shape == (len(served.numbers), len(served.names))
    assert served.numbers[: len(kept)].tolist() == pool.table["number"][kept].tolist()
    assert len(set(served.numbers.tolist())) == min(max(RANKED, len(kept)), len(pool))
    at = np.array([best.table["number"].tolist().index(one) for one in served.numbers.tolist()], "i8")
    expected = dict(best.features)
    for before, side in zip((LIKES, LIKES_BACK), best.pairs, strict=True):
        expected |= {before + name: column for name, column in (side or {}).items()}
    for name, column in zip(served.names, served.values.T, strict=True):
        np.testing.assert_array_equal(column, expected[name][at], err_msg=name)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("lineup", "reranker"), RERANKERS, ids=named)
def test_a_reranker_gives_rows_of_the_pool_each_once(lineup, reranker, case):
    request = request_of(lineup, case)
    pool = pool_of(request)
    before = by_score(pool)
    after = reranker.apply(request, pool, before)
    assert len(set(after.positions.tolist())) == len(after)
    assert set(after.positions.tolist()) <= set(before.positions.tolist())
    assert after.propensity.shape == after.positions.shape
    assert np.all((after.propensity > 0) & (after.propensity <= 1))
    assert np.array_equal(reranker.apply(request, pool, before).positions, after.positions)


@pytest.mark.parametrize("lineup", LINEUPS)
def test_stages_are_named_once_and_say_what_they_do(lineup):
    stages = [*LINEUPS[lineup].sources, *LINEUPS[lineup].rerankers]
    assert len({stage.name for stage in stages}) == len(stages)
    assert all(stage.sentence.endswith(".") for stage in stages)
    assert len(LINEUPS[lineup].sources) <= 32  # a bit each in Pool.sources
