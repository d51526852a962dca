"""A viewer with coming trips: both towns in one list by share, each judged when the viewer is there."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.contracts import Trip
from apps.pipeline.features.calendar import day_of
from apps.pipeline.filters import oracle
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.params import PipelineParams, Widths
from apps.pipeline.rules import RuleSpec, SurfaceRules, live_rules
from apps.pipeline.run import eligible_count, explain, run
from apps.pipeline.trips import HERE, places_for_trips, requests_of
from tests.pipeline.markets import (
    NOW,
    member_table,
    place_table,
    random_places,
    request_for,
    snapshot_of,
    sorted_by_market,
)

TODAY = day_of(NOW)  # 1 June 2026
PARIS, ROME = 0, 1
JULY, DECEMBER = 1 << 7, 1 << 12
IN_JULY = Trip(ROME, TODAY + 30, TODAY + 34)


def params(share: float = 0.25, **more: object) -> PipelineParams:
    return PipelineParams(lineup="places", trips_share=share, **more)  # type: ignore[arg-type]


def towns(each: int = 30, **of_rome: object):
    """Places of Paris from number 1 on, then as many of Rome, liked less and less."""
    paris = [{"popularity": 5 - i / 50} for i in range(each)]
    rome = [{"popularity": 5 - i / 50, "market": ROME, **of_rome} for i in range(each)]
    table = sorted_by_market(place_table([*paris, *rome]))
    return snapshot_of(table, surface="travel", viewers=member_table([{"market": PARIS}]))


def asked(snapshot, *trips, share=0.25, limit=12, **more):
    more = {"params": params(share), "reserve": 8, **more}
    return request_for(snapshot, 1, limit=limit, trips=trips, **more)


def markets_of(request, slate):
    data = request.data
    return data.candidates["market"][data.row_of[slate.numbers]].tolist()


def test_a_quarter_of_the_list_is_for_the_trip_from_the_third_place_on():
    request = asked(towns(), IN_JULY)
    slate = run(request)
    markets = markets_of(request, slate)
    assert [i for i, market in enumerate(markets) if market == ROME] == [2, 6, 10, 14, 18]
    assert len(markets) == 20
    here = [number for number in slate.numbers.tolist() if number <= 30]
    assert here == run(replace(request, trips=())).numbers.tolist()[: len(here)]
    assert slate.eligible == eligible_count(request) == 60


def test_who_would_be_shown_at_home_alone_is_told_that_the_trip_stands_higher():
    request = asked(towns(), IN_JULY)
    shown = run(request).numbers.tolist()
    at_home = run(replace(request, trips=())).numbers.tolist()[:12]
    lost = [number for number in at_home if number not in shown[:12]]
    assert len(lost) == 3
    for number in lost:
        told = explain(request, number)
        assert (told.shown, told.stage, told.code) == (False, "reranking", "lost_to_trips")
        assert told.rank == shown.index(number) + 1 > 12


def test_places_of_the_trip_say_so_first_and_with_its_days():
    request = asked(towns(curated=1.0, best_months=JULY), IN_JULY)
    slate = run(request)
    for number, reasons in zip(slate.numbers.tolist(), slate.reasons, strict=True):
        if number > 30:
            assert reasons[0] == ("trip", "Rome|20260701|20260705")
            assert [code for code, _ in reasons[1:]] == ["curated", "in_season"]
        else:
            assert "trip" not in [code for code, _ in reasons]


def test_a_place_is_judged_on_the_days_of_the_trip():
    closed_then, open_then = {"open_months": DECEMBER}, {"open_months": JULY}
    rome = [closed_then, open_then, {"is_open": 0}, {"is_open": 0, "opens_on": 20260703}]
    rome.append({"is_open": 0, "opens_on": 20260706})
    table = place_table([*({"market": ROME, **place} for place in rome), {"open_months": JULY}, {}])
    snapshot = snapshot_of(sorted_by_market(table), surface="travel", viewers=member_table([{}]))
    request = asked(snapshot, IN_JULY, share=0.5)
    assert sorted(run(request).numbers.tolist()) == [2, 4, 7]
    july = replace(request, now=NOW + 33 * 86400, market=ROME, trips=())
    assert sorted(run(july).numbers.tolist()) == [2, 4]
    there_since_a_day = replace(july, now=NOW, day=day_of(NOW) + 33)
    assert sorted(run(there_since_a_day).numbers.tolist()) == [2, 4]
    codes = {number: explain(request, number).code for number in range(1, 8)}
    assert codes == {
        1: "out_of_season", 2: "shown", 3: "closed", 4: "shown", 5: "closed", 6: "out_of_season", 7: "shown",
    }  # fmt: skip
    assert explain(request, 1).change == (
        {"of": "candidate", "field": "open_months", "from": [12], "to": [7, 12]},
    )


def test_a_market_asked_for_by_name_is_judged_by_the_trip_that_leads_there():
    request = replace(asked(towns(open_months=JULY)), market=ROME)
    assert len(run(request).numbers) == 0
    slate = run(replace(request, stay=IN_JULY))
    assert len(slate.numbers) == 20
    assert {reasons[0][0] for reasons in slate.reasons} == {"trip"}


def test_a_trip_fills_a_list_that_is_short_at_home_and_the_other_way_round():
    request = asked(towns(3), IN_JULY)
    assert sorted(run(request).numbers.tolist()) == [1, 2, 3, 4, 5, 6]
    gone = np.array([4, 5, 6], "i4")
    assert sorted(run(replace(request, gone=gone)).numbers.tolist()) == [1, 2, 3]
    gone = np.array([1, 2, 3], "i4")
    assert sorted(run(replace(request, gone=gone)).numbers.tolist()) == [4, 5, 6]


def test_nobody_gone_or_excluded_comes_back_by_a_trip():
    request = asked(towns(4), IN_JULY, share=0.5, gone=[5], excluded=[6])
    assert sorted(run(request).numbers.tolist()) == [1, 2, 3, 4, 7, 8]
    assert explain(request, 5).code == "gone"
    assert explain(request, 6).code == "excluded"


def test_no_share_no_places_and_the_hold_out_stays_where_the_viewer_is():
    snapshot = towns()
    for none in (params(0.0), params(random_order=True)):
        request = asked(snapshot, IN_JULY, params=none)
        assert set(markets_of(request, run(request))) == {PARIS}
    assert set(markets_of(request, run(asked(snapshot, IN_JULY, limit=1, reserve=0)))) == {PARIS}


def test_two_trips_take_turns_and_a_third_waits():
    table = sorted_by_market(place_table([{"market": i % 4} for i in range(80)]))
    snapshot = snapshot_of(table, surface="travel", viewers=member_table([{"market": 0}]))
    data = replace(snapshot.surfaces["travel"], market_starts=np.array([0, 20, 40, 60, 80]))
    markets = tuple({"key": f"m{i}", "name": f"M{i}"} for i in range(4))
    snapshot = replace(snapshot, markets=markets, surfaces={"travel": data})
    trips = [Trip(market, TODAY + market, TODAY + market) for market in (1, 2, 3)]
    request = asked(snapshot, *trips, share=0.5, limit=8)
    markets = markets_of(request, run(request))[:8]
    assert markets == [0, 1, 0, 2, 0, 1, 0, 2]


def test_a_place_by_rule_keeps_it():
    rule = RuleSpec("pin", "pin", -1, -1, 0.0, 1e12, 1, pins=(20,), slots=(2,))
    live = live_rules(SurfaceRules((rule,)), met=np.zeros(0, "u8"), now=NOW)
    request = asked(towns(), IN_JULY, rules=live)
    alone = run(replace(request, trips=()))
    at = alone.numbers.tolist().index(20)
    assert at < 5
    assert run(request).numbers.tolist()[at] == 20
    assert run(request).trace.stages[-1].stage == "trips"


def test_the_share_is_of_every_beginning_of_the_list():
    assert [places_for_trips(n, 0.25) for n in (0, 1, 2, 3, 6, 7, 20)] == [0, 0, 0, 1, 1, 2, 5]
    assert [places_for_trips(n, 0.5) for n in (1, 2, 3, 4)] == [0, 1, 1, 2]
    assert places_for_trips(100, 0.0) == 0


def test_ids_that_were_named_are_ranked_wherever_the_viewer_will_be():
    request = asked(towns(), IN_JULY, limit=3, only=[1, 31, 32])
    assert sorted(run(request).numbers.tolist()) == [1, 31, 32]


@given(
    seed=st.integers(0, 10_000),
    share=st.sampled_from([0.0, 0.1, 0.25, 0.5]),
    limit=st.integers(1, 40),
    first=st.integers(1, 60),
    days=st.integers(0, 70),
    only=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_shown_may_be_shown_where_and_when(seed, share, limit, first, days, only):
    draw = np.random.default_rng(seed)
    table = sorted_by_market(random_places(120, seed))
    snapshot = snapshot_of(table, surface="travel", viewers=member_table([{"market": PARIS}]))
    newer = random_places(30, seed + 1, number=np.arange(100, 130))
    marked = {name: sorted(draw.choice(130, 12, replace=False) + 1) for name in ("gone", "excluded")}
    trip = Trip(ROME, TODAY + first, TODAY + first + days)
    more = {"only": sorted(set(draw.integers(1, 130, 40).tolist()))} if only else {}
    request = asked(
        snapshot, trip, limit=limit, params=params(share, exploration=0.3, diversity=0.2), seed=seed,
        newcomers=newer, stale=np.arange(100, 121, dtype="i4"), **marked, **more,
    )  # fmt: skip
    slate = run(request)
    numbers = slate.numbers.tolist()
    assert len(numbers) == len(set(numbers)) <= limit + 8
    old = table.gather(np.flatnonzero(table["number"] < 100))
    may: set[int] = set()
    for part in requests_of(request):
        for rows in (old, newer):
            may |= set(rows["number"][oracle.eligible(part, rows)].tolist())
    if only:
        may &= set(more["only"])
    assert set(numbers) <= may
    assert len(numbers) == min(len(may), limit + 8) or not only
    assert np.all((slate.propensity > 0) & (slate.propensity <= 1))
    again = run(request)
    assert again.numbers.tolist() == numbers
    assert again.reasons == slate.reasons
    for number in draw.choice(129, 4, replace=False) + 1:
        told = explain(request, int(number))
        assert told.shown == (number in numbers[:limit]), told
        assert (told.rank or 0) == (numbers.index(number) + 1 if number in numbers else 0)


@pytest.mark.parametrize("widths", [Widths(), Widths(60, 200), Widths(0, 40)])
def test_every_width_has_enough_for_both(widths):
    request = asked(towns(), IN_JULY, widths=widths)
    assert len(run(request).numbers) == 20


def test_a_source_lost_in_one_market_is_left_out_of_that_one_alone(monkeypatch):
    lineup = LINEUPS["places"]
    working = next(source for source in lineup.sources if source.name == "taste").propose

    def broken_in_rome(request, eligible, quota):
        if request.stay is not None:
            raise ArithmeticError
        return working(request, eligible, quota)

    request = asked(towns(), IN_JULY)
    with monkeypatch.context() as patched:
        sources = tuple(
            replace(source, propose=broken_in_rome) if source.name == "taste" else source
            for source in lineup.sources
        )
        patched.setitem(LINEUPS, "places", replace(lineup, sources=sources))
        then = run(request)
    (lost,) = [stage for stage in then.trace.as_json() if "lost" in stage]
    assert (lost["stage"], lost["market"]) == ("taste", "rome")
    bit = 1 << [source.name for source in lineup.sources].index("taste")
    assert (then.sources & bit).any()
    again = run(replace(request, left_out={"rome:taste": "as then"}))
    assert again.sources.tobytes() == then.sources.tobytes()
    assert again.numbers.tolist() == then.numbers.tolist()
    here = run(replace(request, left_out={f"{HERE}:taste": "as then"}))
    everywhere = run(replace(request, left_out={"taste": "resting"}))
    assert (here.sources & bit).any()
    assert not (everywhere.sources & bit).any()
