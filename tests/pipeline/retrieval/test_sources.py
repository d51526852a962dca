"""What each source proposes on a market small enough to see, in which order, and how it is merged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline import lineup
from apps.pipeline.params import PipelineParams
from apps.pipeline.retrieval import people, spots
from apps.pipeline.retrieval.eligible import find_eligible
from apps.pipeline.retrieval.top import best
from apps.pipeline.run import run
from tests.pipeline.markets import (
    DAY,
    HOUR,
    member_table,
    place_table,
    random_members,
    request_for,
    snapshot_of,
    vector,
)

AFFINITY = {"like": {"intercept": 0.0, "weights": {"affinity": 1.0}}}


def proposed(source, snapshot, quota=10, **request):
    asked = request_for(snapshot, 1, **request)
    eligible, _ = find_eligible(asked)
    return eligible.column("number")[source(asked, eligible, quota)].tolist()


def test_nearest_counts_both_directions():
    ann = {"taste": vector(1.0), "looks": vector(0.0, 1.0)}
    liked = {"looks": vector(2.0)}  # Ann would like them
    liking = {"taste": vector(0.0, 3.0)}  # they would like Ann
    snapshot = snapshot_of(member_table([ann, liked, liking, {}]), models=AFFINITY)
    assert proposed(people.nearest, snapshot) == [3, 2, 4]
    one_sided = PipelineParams(reciprocity="viewer_only")
    assert proposed(people.nearest, snapshot, params=one_sided) == [2, 3, 4]
    switched_off = PipelineParams(disabled_stages=frozenset({"reciprocity"}))
    assert proposed(people.nearest, snapshot, params=switched_off) == [2, 3, 4]
    assert proposed(people.nearest, snapshot, quota=1) == [3]


def test_who_liked_the_viewer_is_proposed_when_eligible_the_best_fit_first():
    ann = {"taste": vector(1.0)}
    snapshot = snapshot_of(member_table([ann, {}, {"looks": vector(1.0)}, {"seeking": 0}]), models=AFFINITY)
    assert proposed(people.liked_you, snapshot, liked_by=[2, 3, 4, 99]) == [3, 2]
    assert proposed(people.liked_you, snapshot, quota=1, liked_by=[2, 3]) == [3]


def test_friends_of_friends_are_two_steps_away_and_not_one():
    edges = [(1, 2), (1, 3), (2, 4), (3, 4), (2, 5), (2, 3), (5, 6)]
    snapshot = snapshot_of(member_table([{} for _ in range(6)]), edges=edges)
    assert proposed(people.friends_of_friends, snapshot) == [4, 5]  # 2 and 1 shared; 6 is three steps away
    assert proposed(people.friends_of_friends, snapshot, excluded=[4]) == [5]


def test_a_hidden_connection_since_the_snapshot_is_not_walked():
    edges = [(1, 2), (1, 3), (2, 4), (3, 4), (2, 5)]
    snapshot = snapshot_of(member_table([{} for _ in range(5)]), edges=edges)
    assert proposed(people.friends_of_friends, snapshot, gone=[2]) == [4]
    counted = request_for(snapshot, 1, gone=[2]).mutual
    assert dict(zip(counted.numbers.tolist(), counted.counts.tolist(), strict=True)) == {4: 1.0}


def test_to_share_somebody_who_knows_few_says_more():
    """With 5 over somebody who knows two; with 4 over two who know many."""
    crowd = [(hub, i) for hub in (2, 3) for i in range(7, 30)]
    edges = [(1, 2), (1, 3), (2, 4), (3, 4), (1, 6), (6, 5), *crowd]
    snapshot = snapshot_of(member_table([{} for _ in range(30)]), edges=edges)
    assert proposed(people.friends_of_friends, snapshot, quota=1) == [4]
    assert proposed(people.adamic_adar, snapshot, quota=1) == [5]
    assert 5 not in proposed(people.adamic_adar, snapshot, excluded=[5], quota=30)


def test_the_nearest_by_walk_are_proposed_by_weight_when_eligible_and_not_connected():
    near = [(1, 2), *[(1, 3)] * 3, *[(1, 4)] * 2, *[(1, 5)] * 9]
    snapshot = snapshot_of(member_table([{} for _ in range(5)]), edges=[(1, 5)], near=near)
    assert proposed(people.pagerank, snapshot) == [3, 4, 2]
    assert proposed(people.pagerank, snapshot, excluded=[3], quota=1) == [4]
    assert proposed(people.pagerank, snapshot_of(member_table([{}, {}]))) == []


def test_newcomers_joined_within_two_weeks_the_latest_first():
    days = [{"joined_day": DAY - d} for d in (0, 14, 13, 1, 13)]
    assert proposed(people.newcomers, snapshot_of(member_table(days))) == [4, 3, 5]


def test_the_recently_active_come_by_their_last_hour():
    hours = [{}, {"active_hour": HOUR - 5}, {"active_hour": 0}, {"active_hour": HOUR}]
    assert proposed(people.recently_active, snapshot_of(member_table(hours))) == [4, 2]


VIEWERS = member_table([{"taste": vector(1.0), "x": 100}])


def travel(places, **more):
    return snapshot_of(place_table(places), surface="travel", viewers=VIEWERS, **more)


def test_places_nearby_start_from_home_and_abroad_from_the_centre():
    assert proposed(spots.nearby, travel([{"x": 0}, {"x": 110}, {"x": -200}])) == [2, 1, 3]
    abroad = travel([{"x": 150, "market": 1}, {"x": -20, "market": 1}])
    assert proposed(spots.nearby, abroad, market=1) == [2, 1]


def test_places_by_taste_curation_and_friends():
    places = [{"looks": vector(-1.0), "curated": 0.5}, {"looks": vector(1.0)}, {"curated": 1.0}, {}]
    snapshot = travel(
        places,
        models=AFFINITY,
        saves=[(1, 4), (1, 4), (1, 2), (1, 77)],
        alike=[(1, 1), (1, 3), (1, 3), (1, 77)],
    )
    assert proposed(spots.taste, snapshot) == [2, 3, 4, 1]
    assert proposed(spots.curated, snapshot) == [3, 1]
    assert proposed(spots.friends_saved, snapshot) == [4, 2]
    assert proposed(spots.alike, snapshot) == [3, 1]


def test_a_candidate_of_two_sources_is_there_once_with_both_bits():
    snapshot = snapshot_of(member_table([{}, {"joined_day": DAY}, {}]))
    quotas = {"nearest": 0, "recently_active": 0}
    slate = run(request_for(snapshot, 1, liked_by=[2, 3], params=PipelineParams(quotas=quotas)))
    found = {
        int(n): lineup.source_names(lineup.PEOPLE, int(b))
        for n, b in zip(slate.numbers, slate.sources, strict=True)
    }
    assert found == {2: ("liked_you", "newcomers"), 3: ("liked_you",)}


def test_a_quota_of_zero_or_a_switched_off_stage_is_silent():
    snapshot = snapshot_of(member_table([{}, {}]))
    off = PipelineParams(
        quotas={"nearest": 0, "liked_you": -3}, disabled_stages=frozenset({"recently_active"})
    )
    slate = run(request_for(snapshot, 1, liked_by=[2], params=off))
    assert slate.numbers.tolist() == []
    assert slate.eligible == 1


def test_a_lost_source_means_fewer_candidates_and_is_told(monkeypatch):
    def broken(request, eligible, quota):
        raise TimeoutError

    source = lineup.Source("nearest", "Broken.", 10, broken)
    rest = tuple(s for s in lineup.PEOPLE.sources if s.name == "liked_you")
    monkeypatch.setitem(
        lineup.LINEUPS, "people", lineup.LineUp("people", "member", (source, *rest), (), {}, ())
    )
    slate = run(request_for(snapshot_of(member_table([{}, {}, {}])), 1, liked_by=[3]))
    assert slate.numbers.tolist() == [3]
    assert {"stage": "nearest", "received": 2, "kept": 0, "lost": "TimeoutError"} in slate.trace.as_json()


def test_a_source_that_names_somebody_ineligible_is_lost(monkeypatch):
    source = lineup.Source("odd", "Odd.", 10, lambda request, eligible, quota: np.array([0, 99]))
    monkeypatch.setitem(lineup.LINEUPS, "people", lineup.LineUp("people", "member", (source,), (), {}, ()))
    slate = run(request_for(snapshot_of(member_table([{}, {}])), 1))
    assert slate.numbers.tolist() == []


def test_newcomers_of_the_overlay_pass_the_same_rules():
    snapshot = snapshot_of(member_table([{"market": 0}, {}]))
    newcomers = member_table(
        [{}, {"birth_date": 0}, {"market": 1}, {}, {}, {"number": 2}, {"number": 10}], first_number=10
    )
    request = request_for(snapshot, 1, newcomers=newcomers, excluded=[13], gone=[14])
    assert sorted(run(request).numbers.tolist()) == [2, 10]


def test_a_newcomer_gets_an_embedding_from_the_tower():
    from apps.pipeline.features.tower import width

    looks = np.zeros((width("member"), 32), "f4")
    looks[-1, 0] = 4.0
    snapshot = snapshot_of(
        member_table([{"taste": vector(1.0)}, {"looks": vector(1.0)}]),
        models=AFFINITY,
        content={"dating.looks_weights": looks},
    )
    request = request_for(snapshot, 1, newcomers=member_table([{}], first_number=10))
    assert run(request).numbers.tolist() == [10, 2]


def test_only_given_numbers_are_ranked_under_the_same_rules():
    snapshot = snapshot_of(member_table([{}, {}, {"birth_date": 0}, {}, {"market": 1}]))
    newcomers = member_table([{}, {}], first_number=10)
    request = request_for(snapshot, 1, only=[11, 4, 3, 4, 5, 1, 999, -1], newcomers=newcomers)
    assert sorted(run(request).numbers.tolist()) == [4, 11]


@given(st.lists(st.integers(-3, 3), max_size=30), st.integers(-1, 35), st.randoms(use_true_random=False))
def test_the_best_are_those_of_a_full_sort(scores, k, random):
    numbers = list(range(len(scores)))
    random.shuffle(numbers)
    expected = sorted(range(len(scores)), key=lambda i: (-scores[i], numbers[i]))[: max(k, 0)]
    assert best(np.array(scores, "f4"), np.array(numbers, "i4"), k).tolist() == expected


@pytest.mark.parametrize("extra", [0, 3])
def test_positions_find_the_rows_of_snapshot_and_overlay(extra):
    snapshot = snapshot_of(random_members(200, 2, market=0, birth_date=19900101))
    newcomers = member_table([{} for _ in range(extra)], first_number=1000)
    eligible, _ = find_eligible(request_for(snapshot, 9, newcomers=newcomers))
    numbers = eligible.column("number")
    assert eligible.find(numbers).tolist() == list(range(len(eligible)))
    assert eligible.find(np.array([9, 5000, -2])).tolist() == [-1, -1, -1]
    some = np.arange(0, len(eligible), 2)
    table = eligible.pick(some)
    for name in table.columns:
        assert np.array_equal(table[name], eligible.column(name)[some]), name
