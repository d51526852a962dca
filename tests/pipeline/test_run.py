"""The whole walk: eligible people in order, the same answer every time, and never a failure for want of
candidates."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.filters import oracle
from apps.pipeline.lineup import STAGES
from apps.pipeline.params import PipelineParams
from apps.pipeline.run import run, warm
from apps.pipeline.signals import DEED, LIKED, PASSED, Signals
from apps.pipeline.snapshot import (
    MANIFEST,
    SnapshotRefused,
    manifest_text,
    open_snapshot,
    read_manifest,
    surface_data,
    write_snapshot,
)
from tests.pipeline.markets import (
    NOW,
    member_table,
    people,
    random_members,
    random_places,
    request_for,
    snapshot_of,
    vector,
)

FULL = PipelineParams(
    diversity=0.3,
    exploration=0.2,
    weights={"closeness": 0.1, "activity": 0.1, "mutual_connections": 0.2},
)


def market(seed=1, n=300, **columns):
    return snapshot_of(random_members(n, seed, **columns), edges=[(1, 2), (2, 3), (2, 9), (4, 5)])


def assert_same(one, other):
    for name in ("numbers", "scores", "propensity", "sources"):
        left, right = getattr(one, name), getattr(other, name)
        assert left.dtype == right.dtype
        assert left.tobytes() == right.tobytes(), name
    assert one.reasons == other.reasons
    assert one.trace.as_json() == other.trace.as_json()


def test_the_better_liked_come_first():
    snapshot, number = people(
        ann={"taste": vector(1.0), "looks": vector(1.0)},
        loved={"looks": vector(2.0), "taste": vector(2.0)},
        liked={"looks": vector(1.0), "taste": vector(1.0)},
        one_sided={"looks": vector(3.0), "taste": vector(-3.0)},
    )
    slate = run(request_for(snapshot, number["ann"]))
    assert slate.numbers.tolist() == [number["loved"], number["liked"], number["one_sided"]]
    assert slate.eligible == 3
    assert slate.propensity.tolist() == [1.0, 1.0, 1.0]


def test_equal_scores_come_by_number_whatever_the_order_of_the_rows():
    snapshot, _ = people(a={"gender": 4}, b={"gender": 2}, c={}, ann={})
    assert snapshot.surfaces["dating"].candidates["number"].tolist() == [3, 4, 2, 1]
    assert run(request_for(snapshot, 4)).numbers.tolist() == [1, 2, 3]


@given(seed=st.integers(0, 500), viewer=st.integers(1, 300), market_=st.integers(-1, 1), random=st.booleans())
@settings(max_examples=60, deadline=None)
def test_everybody_shown_is_eligible_by_the_oracle(seed, viewer, market_, random):
    request = request_for(
        market(seed), viewer, market=market_, excluded=[4, 5], gone=[6], liked_by=[4, 6, 7, 8, 9],
        params=replace(FULL, random_order=random), limit=20,
    )  # fmt: skip
    slate = run(request)
    eligible = oracle.eligible(request, request.data.candidates)
    assert set(slate.numbers.tolist()) <= set(request.data.candidates["number"][eligible].tolist())
    assert len(set(slate.numbers.tolist())) == len(slate.numbers) <= 60
    assert slate.eligible == eligible.sum()


@given(seed=st.integers(0, 2**64 - 1), random=st.booleans())
@settings(max_examples=20, deadline=None)
def test_the_same_request_gives_the_same_list(seed, random):
    params = replace(FULL, random_order=random)
    ask = lambda: run(request_for(market(), 7, seed=seed, params=params, limit=20), detailed=True)  # noqa: E731
    assert_same(ask(), ask())


def test_a_snapshot_from_files_gives_the_same_list_as_one_in_memory(tmp_path):
    snapshot = market()
    write_snapshot(snapshot, tmp_path / "s")
    opened = open_snapshot(tmp_path / "s")
    warm(opened)
    for viewer in (1, 7, 30):
        assert_same(
            run(request_for(snapshot, viewer, params=FULL)), run(request_for(opened, viewer, params=FULL))
        )


def stored(snapshot, vectors):
    """The same snapshot with the vectors of its only surface stored in this way."""
    key, data = next(iter(snapshot.surfaces.items()))
    viewers = None if data.viewers is data.candidates else data.viewers.stored(vectors)
    again = surface_data(
        key=key, kind=data.kind, eligibility=data.eligibility, candidates=data.candidates.stored(vectors),
        viewers=viewers, n_markets=len(snapshot.markets), models=data.models, arrays=data.arrays,
    )  # fmt: skip
    return replace(snapshot, surfaces={key: again})


@pytest.mark.parametrize("surface", ["dating", "networking", "travel"])
def test_vectors_stored_as_bfloat16_are_those_numbers_to_every_stage(tmp_path, surface):
    """Retrieval, features, session, diversity, reasons: the list is that of the same numbers in float32."""
    if surface == "travel":
        snapshot = snapshot_of(random_places(200, 3), surface=surface, viewers=random_members(40, 4))
    else:
        adults = {
            "market": 0,
            "gender": 1,
            "seeking": 7,
            "birth_date": 19960101,
            "age_min": 18,
            "age_max": 99,
        }
        members = random_members(300, 1, **adults, intents=0xFFFF, max_distance=0)
        snapshot = snapshot_of(members, surface=surface, edges=[(1, 2), (2, 3), (2, 9)])
    write_snapshot(snapshot, tmp_path / "half", vectors="bfloat16")
    half = open_snapshot(tmp_path / "half")
    assert half.surfaces[surface].candidates.columns["looks"].dtype == np.uint16
    rounded = stored(half, "float32")
    assert rounded.surfaces[surface].candidates.columns["looks"].dtype == np.float32
    params = replace(FULL, lineup="places" if surface == "travel" else "people", session_reach=0.5)
    newcomers = None if surface == "travel" else member_table([{"looks": vector(1.3)}], first_number=9000)
    signals = Signals(decided=np.array([(5, LIKED, NOW - 60), (8, PASSED, NOW - 600)], DEED))
    for viewer in (1, 7, 30):
        ask = {"params": params, "signals": signals, "newcomers": newcomers, "liked_by": [5]}
        lists = [run(request_for(one, viewer, **ask), detailed=True) for one in (half, rounded)]
        assert_same(*lists)
        assert viewer == 30 or len(lists[0].numbers) > 9


def test_a_snapshot_that_says_otherwise_than_it_stores_is_refused(tmp_path):
    for vectors in ("float32", "bfloat16"):
        write_snapshot(market(), tmp_path / vectors, vectors=vectors)
        manifest = read_manifest(tmp_path / vectors)
        assert manifest["vectors"] == vectors
        others = ("float16", "float32", "bfloat16", None, ["float32"])
        for said in [(name, schema) for name in others for schema in (2, 3)]:
            told = {"vectors": said[0], "schema": said[1]}
            (tmp_path / vectors / MANIFEST).write_text(manifest_text(manifest | told))
            if said == (vectors, manifest["schema"]):
                open_snapshot(tmp_path / vectors)
            else:
                with pytest.raises(SnapshotRefused):
                    open_snapshot(tmp_path / vectors)


def test_who_stands_where_is_no_array_of_each_process(tmp_path):
    travel = snapshot_of(random_places(20, 3), surface="travel", viewers=random_members(40, 4))
    for snapshot in (market(), travel):
        folder, (key, data) = tmp_path / snapshot.id, next(iter(snapshot.surfaces.items()))
        write_snapshot(snapshot, folder)
        opened = open_snapshot(folder).surfaces[key]
        for name in ("row_of", "viewer_row_of"):
            assert isinstance(getattr(opened, name).base, np.memmap)
            np.testing.assert_array_equal(getattr(opened, name), getattr(data, name))
        shutil.rmtree(folder)


def test_a_snapshot_from_before_its_look_ups_were_stored_is_read(tmp_path):
    write_snapshot(market(), tmp_path / "s")
    manifest = read_manifest(tmp_path / "s")
    del manifest["checksums"]["dating.row_of"]
    (tmp_path / "s" / MANIFEST).write_text(manifest_text(manifest))
    assert_same(run(request_for(market(), 7)), run(request_for(open_snapshot(tmp_path / "s"), 7)))


def test_a_snapshot_from_before_vectors_had_a_setting_is_read(tmp_path):
    write_snapshot(market(), tmp_path / "s")
    manifest = read_manifest(tmp_path / "s")
    del manifest["vectors"]
    (tmp_path / "s" / MANIFEST).write_text(manifest_text(manifest))
    assert_same(run(request_for(market(), 7)), run(request_for(open_snapshot(tmp_path / "s"), 7)))


@pytest.mark.parametrize(
    ("limit", "reserve", "length"), [(3, 2, 5), (3, 0, 3), (0, 0, 0), (-4, -1, 0), (10**9, 40, 7)]
)
def test_a_list_is_as_long_as_asked_and_possible(limit, reserve, length):
    snapshot = snapshot_of(member_table([{} for _ in range(8)]))
    for random in (False, True):
        params = PipelineParams(random_order=random, diversity=0.5, exploration=0.5)
        slate = run(request_for(snapshot, 1, limit=limit, reserve=reserve, params=params))
        assert len(slate.numbers) == len(slate.reasons) == len(slate.propensity) == length
        assert slate.eligible == 7


@pytest.mark.parametrize("random", [False, True])
def test_nobody_to_show_is_an_empty_list(random):
    params = replace(FULL, random_order=random)
    alone, _ = people(ann={})
    assert run(request_for(alone, 1, params=params)).numbers.tolist() == []
    all_excluded = request_for(market(), 7, excluded=range(1, 400), params=params)
    slate = run(all_excluded)
    assert (slate.numbers.tolist(), slate.eligible) == ([], 0)


def test_a_viewer_whom_the_snapshot_does_not_know_gets_a_list():
    stranger = member_table([{"number": 900, "market": 0}])
    slate = run(request_for(market(market=0), stranger, params=FULL))
    assert len(slate.numbers) > 0


@pytest.mark.parametrize("lineup", STAGES)
def test_every_stage_can_be_switched_off(lineup):
    members = random_members(200, 3, market=0, birth_date=19900101)
    places = lineup == "places"
    snapshot = (
        snapshot_of(random_places(200, 3, market=0), surface="travel", viewers=members)
        if places
        else snapshot_of(members)
    )
    for stage in STAGES[lineup]:
        params = replace(FULL, lineup=lineup, disabled_stages=frozenset({stage}))
        trace = run(request_for(snapshot, 7, params=params)).trace.as_json()
        assert stage not in {entry["stage"] for entry in trace}
    nothing = PipelineParams(lineup=lineup, disabled_stages=frozenset(STAGES[lineup]))
    assert run(request_for(snapshot, 7, params=nothing)).numbers.tolist() == []


def test_a_filter_cannot_be_switched_off():
    snapshot, _ = people(ann={}, minor={"birth_date": 20100101}, blocked={})
    switched = frozenset({"filters", "adult", "not_adult", "excluded", "eligibility"})
    slate = run(request_for(snapshot, 1, excluded=[3], params=PipelineParams(disabled_stages=switched)))
    assert slate.numbers.tolist() == []


def test_a_policy_of_the_wrong_kind_falls_back_to_the_surfaces_own():
    snapshot = snapshot_of(random_places(50, 1, market=0), surface="travel", viewers=member_table([{}]))
    slate = run(request_for(snapshot, 1, params=PipelineParams(lineup="people")))
    assert len(slate.numbers) > 0


def test_a_detailed_trace_counts_the_refusals():
    snapshot, _ = people(
        ann={"age_max": 31}, minor={"birth_date": 20100101}, older={"birth_date": 19800101}, b={}, c={}
    )
    slate = run(request_for(snapshot, 1, excluded=[4]), detailed=True)
    first = slate.trace.as_json()[0]
    assert (first["stage"], first["received"], first["kept"]) == ("filters", 5, 1)
    found = {name: count for name, count in first["reasons"].items() if count}
    assert found == {"self": 1, "excluded": 1, "not_adult": 1, "age_range_of_viewer": 1}
    assert len(slate.pool) == 1


def test_the_order_holds_under_a_market_of_twins():
    snapshot = snapshot_of(member_table([{"looks": vector(1.0), "taste": vector(1.0)} for _ in range(200)]))
    slate = run(request_for(snapshot, 200, params=PipelineParams(diversity=1.0), limit=20))
    assert slate.numbers.tolist() == list(range(1, 61))
    assert np.all(slate.scores == slate.scores[0])
