"""Retrieval, score and explain read one price: the snapshot's, and what the pacer adds for this viewer."""

from dataclasses import replace

import numpy as np
import pytest

from apps.pipeline.params import PipelineParams
from apps.pipeline.retrieval import prices as module
from apps.pipeline.retrieval.eligible import find_eligible
from apps.pipeline.retrieval.prices import priced_candidates
from apps.pipeline.rules import Pacing
from apps.pipeline.run import run
from tests.pipeline.markets import DAY, member_table, random_members, request_for, snapshot_of, vector
from tests.pipeline.rulebook import CHESS, CLIMBING, live, same, spec

CLIMBERS_FIRST = spec("climbers", "share_target", candidates=0, share=0.3)
PLAYERS_FIRST = spec("players", "share_target", candidates=1, share=0.3)
FOUR = spec("four", "floor", daily=10)


def floor(*numbers, correction=-0.5):
    return np.array(numbers, "i4"), np.full(len(numbers), correction)


def market():
    """Somebody who looks, the best liked one, a chess player, a climber, and one without an interest."""
    members = [{}, {"looks": vector(1.0), "price": 0.1}, {"interests": CHESS}, {"interests": CLIMBING}, {}]
    return snapshot_of(member_table([{**member, "taste": vector(1.0)} for member in members]))


def paced(*specs, pacing, snapshot=None, masks=True, **more):
    snapshot = snapshot or market()
    params = PipelineParams(reciprocity="viewer_only")
    rules = live(snapshot, *specs, masks=masks)
    return request_for(snapshot, 1, params=params, rules=rules, pacing=pacing, **more)


def prices(request):
    table = priced_candidates(request)
    return {int(n): round(float(price), 6) for n, price in zip(table["number"], table["price"], strict=True)}


@pytest.mark.parametrize("masks", [True, False])
def test_the_pacer_lifts_those_whom_a_share_target_means(masks):
    """A lift of 0.5 of Phi is worth at least 2 in log-odds; the best liked stands 0.6 higher without it."""
    request = paced(CLIMBERS_FIRST, pacing=Pacing(1, {"climbers": -0.5}), masks=masks)
    assert prices(request) == {1: 0.0, 2: 0.1, 3: 0.0, 4: -0.5, 5: 0.0}
    found, _ = find_eligible(request, {"fit": 1})
    assert found.numbers[found.top("fit", 1)].tolist() == [4]
    still, _ = find_eligible(replace(request, pacing=None), {"fit": 1})
    assert still.numbers[still.top("fit", 1)].tolist() == [2]


def test_a_floor_lifts_its_own_by_number_and_whom_the_snapshot_lacks_is_no_matter():
    request = paced(FOUR, pacing=Pacing(1, {}, {"four": floor(3, 5, 99)}))
    assert prices(request) == {1: 0.0, 2: 0.1, 3: -0.5, 4: 0.0, 5: -0.5}


def test_the_score_is_lower_by_the_price_that_retrieval_read():
    pacing = Pacing(1, {"climbers": -0.25}, {"four": floor(4, correction=0.125)})
    request = paced(CLIMBERS_FIRST, FOUR, pacing=pacing)
    scores, before = (
        dict(zip(slate.numbers.tolist(), slate.scores.tolist(), strict=True))
        for slate in (run(request), run(replace(request, pacing=None)))
    )
    assert scores[4] == pytest.approx(before[4] + 0.125)
    assert {n: scores[n] for n in (2, 3, 5)} == {n: before[n] for n in (2, 3, 5)}


def test_newcomers_are_paced_like_everybody():
    newcomers = member_table([{"interests": CLIMBING}, {}, {}], first_number=90)
    pacing = Pacing(1, {"climbers": -0.25}, {"four": floor(4, 91, 200)})
    found, _ = find_eligible(paced(CLIMBERS_FIRST, FOUR, pacing=pacing, newcomers=newcomers), {"fit": 9})
    assert found.newcomers["price"].tolist() == [-0.25, -0.5, 0.0]
    assert found.numbers[found.top("fit", 2)].tolist() == [4, 91]


def test_masks_and_conditions_give_the_same_prices():
    snapshot = snapshot_of(random_members(900, 3))
    pacing = Pacing(1, {"climbers": -0.3, "players": 0.7}, {"four": floor(*range(1, 900, 7))})
    known, evaluated = (
        priced_candidates(
            paced(CLIMBERS_FIRST, PLAYERS_FIRST, FOUR, pacing=p, snapshot=snapshot, masks=masks)
        )
        for p, masks in ((pacing, True), (replace(pacing, kept={}), False))
    )
    assert same(known["price"], evaluated["price"])
    assert known["price"].dtype == np.float32


def test_prices_are_summed_once_for_each_set_of_rules(monkeypatch):
    pacing = Pacing(1, {"climbers": -0.5, "players": 0.5})
    both = paced(CLIMBERS_FIRST, PLAYERS_FIRST, pacing=pacing)
    one = paced(CLIMBERS_FIRST, pacing=pacing)
    assert priced_candidates(both)["price"] is priced_candidates(both)["price"]
    assert prices(both)[3] == 0.5
    assert prices(one)[3] == 0.0
    monkeypatch.setattr(module, "MOST_BYTES", 6 * priced_candidates(both)["price"].nbytes)
    for i in range(20):
        prices(replace(both, snapshot=replace(both.snapshot, id=f"later-{i}")))
        assert len(pacing.kept) <= 6


def test_what_nobody_paces_stays_the_very_same_table():
    snapshot = market()
    for pacing in (None, Pacing(1, {}), Pacing(1, {"climbers": 0.0}, {"four": floor()})):
        request = paced(CLIMBERS_FIRST, FOUR, pacing=pacing, snapshot=snapshot)
        assert priced_candidates(request) is snapshot.surfaces["dating"].candidates


def test_a_price_that_is_no_number_counts_nothing():
    members = [{}, {"price": np.nan}, {"price": np.inf, "interests": CLIMBING}]
    request = paced(
        CLIMBERS_FIRST, pacing=Pacing(1, {"climbers": -0.5}), snapshot=snapshot_of(member_table(members))
    )
    assert prices(request) == {1: 0.0, 2: 0.0, 3: -0.5}


def newcomers(**more):
    """The viewer, two who joined today, one thirteen days ago, one fourteen."""
    days = [{}, *({"joined_day": DAY - d, "price": 0.1} for d in (0, 0, 13, 14))]
    params = PipelineParams(newcomer_subsidy=0.2, newcomer_stop=4, **more)
    return request_for(snapshot_of(member_table(days)), 1, params=params)


def times_shown(**times):
    numbers = [int(name[1:]) for name in times]
    return Pacing(1, {}, shown=(np.array(numbers, "i4"), np.array(list(times.values()), "f8")))


def test_a_subsidy_falls_evenly_with_each_time_shown_and_ends_at_the_stop_and_after_two_weeks():
    request = newcomers()
    for shown, left in ((0, 0.2), (1, 0.15), (3, 0.05), (4, 0.0), (900, 0.0)):
        found = prices(replace(request, pacing=times_shown(n2=shown)))
        assert found == {1: 0.0, 2: round(0.1 - left, 6), 3: -0.1, 4: -0.1, 5: 0.1}


def test_nobody_is_subsidised_while_nobody_counts_or_where_it_is_off():
    request = newcomers()
    assert priced_candidates(request) is request.data.candidates
    off = replace(request, params=replace(request.params, newcomer_subsidy=0.0), pacing=times_shown())
    assert priced_candidates(off) is request.data.candidates


def test_viewers_with_another_subsidy_and_another_day_have_their_own_prices():
    pacing, request = times_shown(n3=2), newcomers()
    request = replace(request, pacing=pacing)
    half = replace(request, params=replace(request.params, newcomer_subsidy=0.1))
    later = replace(request, now=request.now + 86_400)
    assert prices(request) == {1: 0.0, 2: -0.1, 3: 0.0, 4: -0.1, 5: 0.1}
    assert prices(half) == {1: 0.0, 2: 0.0, 3: 0.05, 4: 0.0, 5: 0.1}
    assert prices(later) == {1: 0.0, 2: -0.1, 3: 0.0, 4: 0.1, 5: 0.1}
    assert prices(request) == {1: 0.0, 2: -0.1, 3: 0.0, 4: -0.1, 5: 0.1}


def test_who_joined_after_the_snapshot_has_it_too_and_the_score_is_higher_by_it():
    joined = member_table([{"joined_day": DAY}, {"joined_day": DAY}], first_number=6)
    request = replace(newcomers(), newcomers=joined, pacing=times_shown(n7=1))
    plain = replace(request, params=replace(request.params, newcomer_subsidy=0.0))
    scores, before = (
        dict(zip(slate.numbers.tolist(), slate.scores.tolist(), strict=True))
        for slate in (run(request), run(plain))
    )
    lifts = {n: round(scores[n] - before[n], 5) for n in scores}
    assert lifts == {2: 0.2, 3: 0.2, 4: 0.2, 5: 0.0, 6: 0.2, 7: 0.15}


def test_a_subsidy_and_a_floor_add_up():
    snapshot = snapshot_of(member_table([{}, {"joined_day": DAY}, {}]))
    params = PipelineParams(newcomer_subsidy=0.2, newcomer_stop=4)
    shown = (np.array([2], "i4"), np.array([2.0]))
    pacing = Pacing(1, {}, {"four": floor(2, 3)}, shown)
    request = request_for(snapshot, 1, params=params, rules=live(snapshot, FOUR), pacing=pacing)
    assert prices(request) == {1: 0.0, 2: -0.6, 3: -0.5}
