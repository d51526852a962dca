"""The compiled pass agrees with the numpy oracle: who is eligible, and the best of them by every key."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline import blocks
from apps.pipeline.layout import in_order
from apps.pipeline.params import PipelineParams
from apps.pipeline.retrieval import oracle
from apps.pipeline.retrieval.eligible import find_eligible
from apps.pipeline.retrieval.fit import fit_of
from apps.pipeline.retrieval.search import KEYS
from apps.pipeline.snapshot import surface_data
from apps.pipeline.table import DIMENSIONS
from apps.pipeline.vectors import DTYPES, VECTORS
from tests.pipeline.markets import (
    DAY,
    member_table,
    random_members,
    random_places,
    request_for,
    snapshot_of,
    vector,
)

SEEDS = st.integers(0, 10_000)
STORED = st.sampled_from(list(DTYPES))
CLOSE = 1e-4  # two fits this near are the same up to the order of summing


def laid_out(snapshot, vectors="float32"):
    """The same snapshot in the order of its surface, its vectors stored in this way."""
    key, data = next(iter(snapshot.surfaces.items()))
    ordered = surface_data(
        key=key,
        kind=data.kind,
        eligibility=data.eligibility,
        candidates=in_order(data.candidates, data.eligibility).stored(vectors),
        viewers=None if data.viewers is data.candidates else data.viewers,
        n_markets=len(snapshot.markets),
        models=data.models,
    )
    return replace(snapshot, surfaces={key: ordered})


def drawn(kind, n, seed):
    """Vectors and terms of fit: as they come, a few values only, or some that are no numbers."""
    random = np.random.default_rng(seed)
    if kind == "ties":
        few = {name: random.integers(0, 2, (n, 1)) * np.eye(1, DIMENSIONS) for name in VECTORS}
        return {**few, "appeal": 0, "selectivity": 0, "price": 0}
    columns = {name: random.normal(0, 0.4, (n, DIMENSIONS)) for name in VECTORS}
    if kind == "no numbers":
        for column in columns.values():
            column[random.random((n, DIMENSIONS)) < 0.01] = random.choice([np.nan, np.inf, -np.inf])
    return columns


def assert_exact(request, most=40):
    kind = request.data.kind
    wanted = dict.fromkeys(KEYS[kind], most)
    found, _ = find_eligible(request, wanted)
    rows, best = oracle.search(request, fit_of(request), wanted)
    assert found.rows.tolist() == rows.tolist()
    for key in wanted:
        top = found.top(key, most)
        assert len(set(top.tolist())) == len(top)
        if key != "fit":
            assert top.tolist() == best[key].tolist(), key
            continue
        keys = oracle.key_of(key, request, found.pick(np.arange(len(rows))), fit_of(request))
        np.testing.assert_allclose(keys[top], keys[best[key]], rtol=1e-5, atol=CLOSE)
    return found.top("fit", most).tolist(), best["fit"].tolist()


@pytest.mark.parametrize("surface", ["dating", "networking"])
@given(
    seed=SEEDS,
    n=st.integers(1, 1200),
    market=st.integers(-1, 1),
    most=st.sampled_from([1, 40, 5000]),
    vectors=STORED,
    kind=st.sampled_from(["as they come", "ties", "no numbers"]),
    all_seen=st.sampled_from([False, False, False, True]),
)
@settings(max_examples=60, deadline=None)
def test_members_agree_with_the_oracle(surface, seed, n, market, most, vectors, kind, all_seen):
    random = np.random.default_rng(seed)
    members = random_members(n, seed, **drawn(kind, n, seed))
    snapshot = laid_out(snapshot_of(members, surface=surface), vectors)
    marked = random.integers(-3, n + 10, (2, 6))
    seen = np.arange(1, n + 1) if all_seen else marked[0]
    viewer = int(random.integers(1, n + 1))
    found, best = assert_exact(
        request_for(snapshot, viewer, market=market, excluded=seen, gone=marked[1]), most
    )
    assert kind != "ties" or found == best, "equals by number"
    assert not all_seen or found == []


@given(
    seed=SEEDS,
    n=st.integers(1, 300),
    market=st.integers(-1, 1),
    x=st.sampled_from([-32768, 0, 32767]),
    vectors=STORED,
)
@settings(max_examples=40, deadline=None)
def test_places_agree_with_the_oracle(seed, n, market, x, vectors):
    viewers = member_table([{"x": x, "y": x, "taste": vector(0.5, -1.0)}])
    places = random_places(n, seed, x=np.random.default_rng(seed).choice([-32768, 5, 5, 32767], n))
    snapshot = laid_out(snapshot_of(places, surface="travel", viewers=viewers), vectors)
    assert_exact(request_for(snapshot, 1, market=market, excluded=[3], gone=[5]))


def everybody(n, **columns):
    """A market in which all may see each other."""
    open_to_all = {
        "market": 0, "gender": 1, "seeking": 7, "birth_date": 19960101, "age_min": 18, "age_max": 99,
        "intents": 0xFFFF, "max_distance": 0,
    }  # fmt: skip
    return snapshot_of(random_members(n, 3, **{**open_to_all, **columns}))


def test_equal_keys_come_by_number_however_many_they_are():
    snapshot = everybody(
        700, looks=0, taste=0, appeal=0, selectivity=0, price=0, active_hour=9, joined_day=DAY
    )
    found, _ = find_eligible(request_for(snapshot, 1), dict.fromkeys(KEYS["member"], 30))
    for key in KEYS["member"]:
        assert found.numbers[found.top(key, 30)].tolist() == list(range(2, 32)), key


@pytest.mark.parametrize("vectors", DTYPES)
def test_a_fit_that_is_no_number_comes_last(vectors):
    looks = np.random.default_rng(0).normal(size=(300, 32))
    looks[::3], looks[1::3] = np.nan, np.inf
    snapshot = laid_out(everybody(300, looks=looks), vectors)
    viewer = member_table([{"taste": vector(1.0, -1.0)}])
    found, _ = find_eligible(request_for(snapshot, viewer), {"fit": 299})
    top = found.pick(found.top("fit", 299))
    finite = np.isfinite(top["looks"]).all(axis=1)
    assert finite[: finite.sum()].all()
    assert 90 < finite.sum() < 110
    assert len(top) == 299


@pytest.mark.parametrize("most", [0, -1])
def test_nobody_is_sought_where_none_are_wanted(most):
    found, _ = find_eligible(request_for(everybody(30), 1), {"fit": most})
    assert len(found) == 29
    assert found.top("fit", most).tolist() == []


def test_when_all_were_seen_nobody_is_left():
    request = request_for(everybody(600), 1, excluded=range(1, 601))
    found, received = find_eligible(request, {"fit": 20})
    assert (len(found), received, found.top("fit", 20).tolist()) == (0, 600, [])


def test_more_than_were_wanted_are_found_by_asking_again():
    request = request_for(everybody(500), 1)
    few, many = (find_eligible(request, {"fit": most})[0] for most in (10, 400))
    assert few.top("fit", 400).tolist() == many.top("fit", 400).tolist()
    assert few.top("fit", 10).tolist() == many.top("fit", 10).tolist()


def test_a_price_costs_a_place_among_the_nearest_unless_it_is_switched_off():
    members = [{}, {"looks": vector(1.0), "price": 0.2}, {"looks": vector(0.7)}]
    snapshot = snapshot_of(member_table([{**member, "taste": vector(1.0)} for member in members]))
    for off, expected in (((), [3, 2]), (("price",), [2, 3])):
        params = PipelineParams(disabled_stages=frozenset(off), reciprocity="viewer_only")
        found, _ = find_eligible(request_for(snapshot, 1, params=params), {"fit": 2})
        assert found.numbers[found.top("fit", 2)].tolist() == expected


def test_overlay_and_snapshot_are_ranked_together():
    snapshot = everybody(400, taste=0, looks=0, appeal=0, selectivity=0, active_hour=0, price=0)
    newcomers = member_table([{"active_hour": h} for h in (3, 0, 7)], first_number=900)
    found, _ = find_eligible(request_for(snapshot, 1, newcomers=newcomers), {"fit": 3, "active_hour": 9})
    assert found.numbers[found.top("active_hour", 9)].tolist() == [902, 900]
    assert found.numbers[found.top("fit", 3)].tolist() == [2, 3, 4]


def test_who_stands_on_every_bound_is_in_no_block_that_is_skipped():
    """All are 39, at the end of both limits, and seek the viewer's age alone, as the viewer seeks theirs."""
    snapshot = everybody(600, birth_date=19860602, age_min=30, age_max=30, x=500, y=0, max_distance=5)
    viewer = member_table([{"number": 900, "age_min": 39, "age_max": 39, "max_distance": 5}])
    assert len(find_eligible(request_for(snapshot, viewer))[0]) == 600


def test_blocks_are_skipped_and_lose_nobody():
    """A viewer of one gender with a short limit: most blocks hold nobody, and the answer is the oracle's."""
    from apps.pipeline.filters import eligibility
    from apps.pipeline.retrieval.scan import block_refusals

    random = np.random.default_rng(5)
    cells = random.integers(-20, 20, (2, 6000)) * 500
    table = random_members(
        6000, 5, market=0, gender=random.choice([1, 2], 6000), seeking=random.choice([1, 2], 6000),
        birth_date=19960101, age_min=18, age_max=99, intents=0xFFFF, max_distance=25, x=cells[0], y=cells[1],
    )  # fmt: skip
    request = request_for(laid_out(snapshot_of(table)), 11)
    assert_exact(request)
    statistics, who = request.data.blocks, eligibility.who(request)
    assert statistics.shape == (-(-6000 // blocks.ROWS), blocks.WIDTH)
    judged = [b for b in range(len(statistics)) if block_refusals(who, statistics, b) == 0]
    assert 0 < len(judged) < len(statistics) / 2
