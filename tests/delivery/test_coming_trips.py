"""Before a trip begins its places come into the lists: as of its days, by share, seen in a moment."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common import clock
from apps.common.changes import record_changes
from apps.common.errors import Problem
from apps.common.geo import cell_of
from apps.delivery.coming import ComingTrips, coming_of, sharing
from apps.delivery.replay import replay_delivery
from apps.delivery.runtime import Runtime, runtime
from apps.delivery.services import explain, rank, recommend
from apps.interactions.copier import copy_all
from apps.interactions.models import Delivery
from apps.members.bodies import TripBody
from apps.members.services import set_trips
from apps.pipeline.contracts import Trip
from apps.places.models import Place
from apps.places.selectors import place_body
from apps.places.services import PlaceBody, delete_place, put_place, stop_place
from apps.refresh.services import refresh
from apps.simulation.eligibility_check import check_lists
from apps.surfaces.models import Market
from tests.delivery.publishing import publish, with_rules
from tests.delivery.test_overlay import shown_to
from tests.delivery.test_round_trips import round_trips
from tests.refresh.rows import make_market, make_place

PARIS = (48.85, 2.35)
AT_HOME, AWAY = {"bar", "cafe"}, {"louvre", "bistro"}


@pytest.fixture
def paris(market: Market) -> Market:
    paris = make_market("paris", PARIS)
    for name in AWAY:
        make_place(name, paris, cell=cell_of(*PARIS))
    return paris


@pytest.fixture
def site(paris: Market) -> Runtime:
    """Served from a snapshot of a moment when nobody plans a trip."""
    refresh()
    return runtime()


def plan(*trips: tuple[int, int], market: str = "paris") -> None:
    """Adam's trips, by first and last day from today on."""
    day = clock.today()
    bodies = [
        TripBody(market=market, starts_on=day + timedelta(first), ends_on=day + timedelta(last))
        for first, last in trips
    ]
    set_trips("adam", bodies)


def changed(name: str, **values: object) -> None:
    Place.objects.filter(external_id=name).update(**values)
    record_changes("place.saved", [Place.objects.get(external_id=name).number])


def listed(**asked: Any) -> list[dict[str, Any]]:
    return recommend(surface="travel", member="adam", **{"limit": 4, "dry_run": True, **asked})["items"]


def month_in(days: int) -> int:
    return (clock.today() + timedelta(days)).month


def test_both_towns_are_shown_with_the_next_poll_until_the_trip_is_called_off(site: Runtime) -> None:
    assert shown_to("adam", "travel") == AT_HOME
    plan((3, 5))
    site.poll()
    assert shown_to("adam", "travel") == AT_HOME | AWAY
    first, last = (clock.today() + timedelta(days) for days in (3, 5))
    said = {item["id"]: item["reasons"] for item in listed()}
    for name in AWAY:
        assert said[name][0].startswith("For your trip to Paris, ")
        assert said[name][0].endswith(f" to {last.day} {last:%B} {last.year}")
        assert f"{first.day}" in said[name][0]
    assert all(not said[name][0].startswith("For your trip") for name in AT_HOME)
    plan()
    site.poll()
    assert shown_to("adam", "travel") == AT_HOME


def test_a_trip_that_the_snapshot_finds_is_known_and_one_of_another_member_is_not_mine(paris: Market) -> None:
    plan((3, 5))
    refresh()
    runtime().poll(wait=True)
    assert shown_to("adam", "travel") == AT_HOME | AWAY
    assert shown_to("bea", "travel") == AT_HOME


def test_how_early_is_the_policys_and_so_is_the_share(site: Runtime) -> None:
    plan((15, 16))
    site.poll()
    assert shown_to("adam", "travel") == AT_HOME
    publish(site, with_rules(surface="travel", trips_days=15))
    assert shown_to("adam", "travel") == AT_HOME | AWAY
    publish(site, with_rules(surface="travel", trips_share=0))
    assert shown_to("adam", "travel") == AT_HOME


def test_the_date_brings_a_trip_into_sight_and_the_trip_itself_ends_it(site: Runtime) -> None:
    plan((16, 17))
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for days, shown in ((1, AT_HOME), (2, AT_HOME | AWAY), (15, AT_HOME | AWAY), (16, AWAY), (18, AT_HOME)):
        with time_machine.travel(midnight + timedelta(days=days, milliseconds=1)):
            site.poll()
            assert shown_to("adam", "travel") == shown, days


def test_a_place_is_open_or_closed_as_of_the_days_of_the_trip(site: Runtime) -> None:
    plan((3, 5))
    there = sorted({month_in(3), month_in(4), month_in(5)})
    changed("louvre", open_months=[there[-1]], best_months=[there[-1]])
    changed("bistro", is_open=False, opens_on=clock.today() + timedelta(5))
    site.poll()
    assert shown_to("adam", "travel") == AT_HOME | AWAY
    said = {item["id"]: item["reasons"] for item in listed()}
    assert "In its best season" in said["louvre"]
    changed("louvre", open_months=[month for month in range(1, 13) if month not in there])
    changed("bistro", opens_on=clock.today() + timedelta(6))
    site.poll()
    assert shown_to("adam", "travel") == AT_HOME
    codes = {name: explain(surface="travel", viewer="adam", candidate=name)["code"] for name in AWAY}
    assert codes == {"louvre": "out_of_season", "bistro": "closed"}
    refresh()  # the snapshot says the same as the overlay
    site.poll(wait=True)
    assert shown_to("adam", "travel") == AT_HOME


def test_who_is_stopped_hidden_or_deleted_there_is_not_shown_by_a_trip_even_before_the_next_poll(
    site: Runtime, market: Market
) -> None:
    plan((3, 5))
    site.poll()
    site.stop()  # no poll: the guard alone
    assert shown_to("adam", "travel") == AT_HOME | AWAY
    stop_place("louvre", reason="unsafe")
    assert shown_to("adam", "travel") == {*AT_HOME, "bistro"}
    body = {**place_body(Place.objects.get(external_id="bistro")), "visibility": "hidden"}
    put_place("bistro", PlaceBody.model_validate(body))
    assert shown_to("adam", "travel") == AT_HOME
    delete_place("bar")
    given = recommend(surface="travel", member="adam", limit=4)
    assert {item["id"] for item in given["items"]} == {"cafe"}
    site.poll()
    assert shown_to("adam", "travel") <= {"cafe"}


def test_a_list_for_a_trip_takes_no_query_and_two_round_trips(
    site: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan((3, 5))
    site.stop()
    site.poll()
    with CaptureQueriesContext(connection) as queries, round_trips(monkeypatch) as sent:
        given = recommend(surface="travel", member="adam", limit=4)
    assert {item["id"] for item in given["items"]} == AT_HOME | AWAY
    assert len(queries) == 0
    assert sent == ["MGET", "EVALSHA"]


def test_a_list_for_a_trip_is_replayed_with_what_was_new_there(site: Runtime, paris: Market) -> None:
    for i in range(12):  # more than are kept without asking who is eligible
        new = make_place(f"new{i}", paris, cell=cell_of(*PARIS), is_open=i > 2)
        record_changes("place.saved", [new.number])
    changed("louvre", category="museum")
    plan((3, 5))
    site.poll()
    rows = []
    for asked in ({"limit": 6}, {"limit": 3, "market": "paris"}):
        given = recommend(surface="travel", member="adam", **asked)
        copy_all()
        rows.append(Delivery.objects.get(id=given["delivery"]))
    assert rows[0].market == Market.objects.get(key="london").pk
    assert rows[1].market == paris.pk
    plan()
    refresh()
    site.poll(wait=True)
    for row in rows:
        found = replay_delivery(row)
        assert found.same, found.differences
        for shown in row.candidates:
            told = found.waterfall(shown)
            assert told is not None
            assert round(told["score"], 6) == round(row.scores[row.candidates.index(shown)], 6)


def test_a_market_may_be_asked_for_and_is_judged_by_the_trip_there(site: Runtime) -> None:
    assert {item["id"] for item in listed(market="paris")} == AWAY
    then = month_in(40)
    changed("louvre", open_months=[then])
    site.poll()
    assert ("louvre" in {item["id"] for item in listed(market="paris")}) == (then == month_in(0))
    plan((40, 40))  # further ahead than the policy mixes
    site.poll()
    assert shown_to("adam", "travel") == AT_HOME
    assert {item["id"] for item in listed(market="paris")} == AWAY
    given = recommend(surface="travel", member="adam", limit=2, market="paris")
    assert {item["id"] for item in given["items"]} == AWAY
    assert all(item["reasons"][0].startswith("For your trip to Paris") for item in given["items"])
    with pytest.raises(Problem) as refused:
        recommend(surface="dating", member="adam", market="paris")
    assert refused.value.code == "not_for_members"
    with pytest.raises(Problem) as refused:
        recommend(surface="travel", member="adam", market="atlantis")
    assert refused.value.code == "unknown_market"


def test_named_places_of_a_trip_are_ranked_and_others_not(site: Runtime) -> None:
    plan((3, 5))
    site.poll()
    given = rank(surface="travel", member="adam", candidates=["bistro", "bar"], dry_run=True)
    assert {item["id"] for item in given["items"]} == {"bistro", "bar"}
    given = rank(surface="travel", member="bea", candidates=["bistro", "bar"], dry_run=True)
    assert {item["id"] for item in given["items"]} == {"bar"}


def test_the_independent_check_agrees(site: Runtime) -> None:
    plan((2, 2), (4, 9))
    changed("louvre", open_months=[month for month in range(1, 13) if month != month_in(2)])
    changed("bar", open_months=[month for month in range(1, 13) if month != month_in(0)])
    site.poll()
    result = check_lists("travel", viewers=0, limit=20, seed=1, members=["adam", "bea"])
    assert result.shown == 3  # cafe twice, bistro once
    assert result.good, (result.violations, result.wrong)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "no/zone"])
def test_a_place_opens_with_the_date_where_it_is(market: Market, zone: str) -> None:
    """At any moment the date of one of the two zones is not that of UTC."""
    today = clock.today()
    there = clock.now().astimezone(ZoneInfo(zone)).date() if zone != "no/zone" else today
    opens = {"bar": today, "cafe": today + timedelta(1)}
    for name, day in opens.items():
        Place.objects.filter(external_id=name).update(is_open=False, opens_on=day)
    Market.objects.update(timezone=zone)
    refresh()
    open_there = {name for name, day in opens.items() if day <= there}
    assert shown_to("adam", "travel") == open_there
    if zone != "no/zone":
        assert check_lists("travel", viewers=0, limit=5, seed=1, members=["adam"]).shown == len(open_there)
    if open_there:
        answer = recommend(surface="travel", member="adam", limit=5)
        copy_all()
        assert replay_delivery(Delivery.objects.get(id=answer["delivery"])).same


def test_trips_by_member_are_kept_apart_and_reread() -> None:
    trips = coming_of([(3, 1, 10, 12), (3, 0, 11, 11), (7, 1, 9, 9)])
    assert trips.of(3) == (Trip(1, 10, 12), Trip(0, 11, 11))
    assert trips.of(4) == ()
    later = trips.reread({3, 4}, coming_of([(4, 0, 5, 6)]))
    assert (later.of(3), later.of(4), later.of(7)) == ((), (Trip(0, 5, 6),), (Trip(1, 9, 9),))
    assert ComingTrips().of(3) == ()
    assert ComingTrips().reread({3}, trips).of(3) == trips.of(3)


def test_the_next_two_trips_to_other_markets_share_a_list() -> None:
    trips = [Trip(1, 10, 12), Trip(0, 11, 11), Trip(1, 13, 14), Trip(2, 14, 15), Trip(3, 16, 16)]
    assert sharing(trips, today=9, within=14, here=0) == (trips[0], trips[3])
    assert sharing(trips, today=10, within=4, here=5) == (trips[1], trips[2])
    assert sharing(trips, today=9, within=1, here=1) == ()
