"""Whoever travels is shown where they are, draws from there, and is not shown at home meanwhile."""

from datetime import date, timedelta

import pytest
import time_machine

from apps.common import clock
from apps.common.geo import cell_of
from apps.delivery.replay import replay_delivery
from apps.delivery.runtime import Runtime, runtime
from apps.delivery.services import explain, recommend
from apps.interactions.copier import copy_deliveries
from apps.interactions.models import Delivery
from apps.interactions.rebuild import rebuild
from apps.members.bodies import TripBody
from apps.members.models import Member
from apps.members.services import set_trips
from apps.refresh.services import refresh
from apps.refresh.whereabouts import moved_by_the_date, travellers
from apps.simulation.eligibility_check import check_lists
from apps.surfaces.models import Market
from tests.delivery.conftest import number
from tests.delivery.test_overlay import changed, shown_to
from tests.refresh.rows import decide, make_market, make_member

PARIS = (48.85, 2.35)
IN_PARIS = {"gus", "hal"}


@pytest.fixture
def paris(market: Market) -> Market:
    """Beside London, where adam could see five women: Paris, with two men whom they suit."""
    paris = make_market("paris", PARIS)
    for name in IN_PARIS:
        make_member(name, paris, home_cell=cell_of(*PARIS), gender="man", seeking=["woman"])
    return paris


@pytest.fixture
def site(paris: Market) -> Runtime:
    """Served from a snapshot of a moment when nobody travels."""
    refresh()
    return runtime()


def travel(name: str, *, first: int = 0, last: int = 1, market: str = "paris") -> None:
    day = clock.today()
    trip = TripBody(market=market, starts_on=day + timedelta(first), ends_on=day + timedelta(last))
    set_trips(name, [trip])


def in_paris(name: str) -> None:
    """Shown there and nowhere else, and shown those who are there."""
    for other in IN_PARIS:
        assert name in shown_to(other), f"{other} is not shown {name}"
    assert shown_to(name) == IN_PARIS
    assert name not in shown_to("adam")


def at_home(name: str) -> None:
    assert name in shown_to("adam")
    assert shown_to(name) == {"adam"}
    for other in IN_PARIS:
        assert name not in shown_to(other)


def violations() -> None:
    """The independent check agrees with every list."""
    for surface in ("dating", "networking"):
        result = check_lists(surface, viewers=0, limit=20, seed=1, members=["adam", "bea", "cleo", *IN_PARIS])
        assert result.shown, surface
        assert result.good, (result.violations, result.wrong)


def test_a_trip_that_covers_the_refresh_is_in_the_snapshot(paris: Market) -> None:
    travel("bea")
    refresh()
    site = runtime()
    assert len(site.world.overlay.newcomers.get("dating", ())) <= 1  # as the feed tells it, and no other
    in_paris("bea")
    at_home("cleo")
    violations()
    travel("bea", first=-9, last=-1)  # it is over
    refresh()
    site.poll(wait=True)
    at_home("bea")
    violations()


def test_a_snapshot_alone_places_travellers_without_the_overlays_help(paris: Market) -> None:
    travel("bea")
    with time_machine.travel(clock.now() + timedelta(minutes=30)):  # beyond what a new overlay reads again
        refresh()
        site = runtime()
        assert not any(len(table) for table in site.world.overlay.newcomers.values())
        in_paris("bea")


def test_a_current_market_counts_like_a_trip(site: Runtime, paris: Market) -> None:
    changed("bea", current_market=paris)
    site.poll()
    in_paris("bea")
    violations()
    changed("bea", current_market=None)
    site.poll()
    at_home("bea")


def test_a_trip_begins_is_edited_and_ends_with_the_next_poll(site: Runtime) -> None:
    at_home("bea")
    travel("bea")
    site.poll()
    in_paris("bea")
    assert explain(surface="dating", viewer="hal", candidate="bea")["shown"]
    assert explain(surface="dating", viewer="adam", candidate="bea", private=True)["code"] == "other_market"
    violations()
    travel("bea", market="london")  # home: no trip at all
    site.poll()
    at_home("bea")
    travel("bea")
    site.poll()
    in_paris("bea")
    set_trips("bea", [])
    site.poll()
    at_home("bea")
    assert len(site.world.overlay.newcomers["dating"]) == 0  # as the snapshot knows her
    violations()


def test_the_date_alone_begins_and_ends_a_trip(site: Runtime) -> None:
    travel("bea", first=1, last=2)
    travel("cleo", first=0, last=0)
    site.poll()
    at_home("bea")
    in_paris("cleo")
    for days, where in ((1, in_paris), (2, in_paris), (3, at_home)):
        midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        with time_machine.travel(midnight + timedelta(days=days, milliseconds=1)):
            site.poll()
            where("bea")
            at_home("cleo")
    site.poll()  # a clock that was set back over a midnight
    at_home("bea")
    in_paris("cleo")


def test_a_process_that_starts_on_a_later_day_than_its_snapshot_knows_where_all_are(site: Runtime) -> None:
    travel("bea", first=1, last=9)
    travel("cleo", first=-5, last=0)
    refresh()
    site.poll(wait=True)
    with time_machine.travel(clock.now() + timedelta(days=1)):
        fresh = Runtime()
        fresh._poll_postgres(wait=True)
        assert fresh.world.snapshot is not None
        paris = fresh.world.snapshot.market_index("paris")
        places = {
            name: int(row["market"][0])
            for name in ("bea", "cleo")
            if (row := fresh.world.viewer_row("dating", number(name))) is not None
        }
        assert places["bea"] == paris
        assert places["cleo"] == fresh.world.snapshot.market_index("london")


def test_a_blocked_pair_at_the_destination_never_meets(site: Runtime) -> None:
    """Whoever of the two blocked, and whether the overlay or the snapshot moved the traveller."""
    rows = {name: Member.objects.get(external_id=name) for name in ("bea", "cleo", "hal")}
    decide(rows["bea"], rows["hal"], "blocked", surface="")
    decide(rows["hal"], rows["cleo"], "blocked", surface="")
    rebuild()
    travel("bea")
    travel("cleo")
    site.poll(wait=True)
    blocked_pairs_never_meet()
    refresh()
    site.poll(wait=True)
    blocked_pairs_never_meet()


def blocked_pairs_never_meet() -> None:
    for surface in ("dating", "networking"):
        assert {"bea", "cleo"} <= shown_to("gus", surface)
        assert not {"bea", "cleo"} & shown_to("hal", surface)
        for name in ("bea", "cleo"):
            assert "gus" in shown_to(name, surface)
            assert "hal" not in shown_to(name, surface)


def test_a_hidden_traveller_looks_there_and_is_shown_nowhere(site: Runtime) -> None:
    changed("bea", visibility="hidden")
    travel("bea")
    site.poll()
    assert shown_to("bea") == IN_PARIS
    assert all("bea" not in shown_to(name) for name in (*IN_PARIS, "adam"))


def test_distance_counts_from_the_middle_in_both_directions(site: Runtime) -> None:
    """44.5 km north of the middle of Paris, with a limit on either side."""
    far = cell_of(PARIS[0] + 0.4, PARIS[1])
    for who, limit in (("hal", 30), ("bea", 30)):
        changed("hal", home_cell=far, max_distance_km=limit if who == "hal" else None)
        changed("bea", max_distance_km=limit if who == "bea" else None)
        travel("bea")
        site.poll()
        assert shown_to("bea") == {"gus"}
        assert "bea" not in shown_to("hal")
        changed(who, max_distance_km=60)
        site.poll()
        in_paris("bea")
        violations()


def test_no_list_says_how_near_a_visitor_is(site: Runtime) -> None:
    travel("bea")
    site.poll()
    for viewer, shown in (("bea", "hal"), ("hal", "bea")):
        items = recommend(surface="dating", member=viewer, limit=20, dry_run=True)["items"]
        reasons = [str(item["reasons"]) for item in items if item["id"] == shown]
        assert reasons
        assert "km" not in reasons[0]


def test_lists_with_a_traveller_name_the_market_and_are_replayed(site: Runtime, paris: Market) -> None:
    travel("bea")
    site.poll()
    given = {name: recommend(surface="dating", member=name, limit=5) for name in ("bea", "hal", "adam")}
    copy_deliveries()
    rows = {name: Delivery.objects.get(id=answer["delivery"]) for name, answer in given.items()}
    assert rows["bea"].market == rows["hal"].market == paris.pk
    assert number("bea") in rows["hal"].candidates
    for name, row in rows.items():
        assert replay_delivery(row).same, name


def test_of_trips_at_once_the_one_that_began_last_counts(paris: Market) -> None:
    day = clock.today()
    rome = make_market("rome", (41.9, 12.5))
    longer = TripBody(market="rome", starts_on=day - timedelta(5), ends_on=day + timedelta(5))
    within = TripBody(market="paris", starts_on=day, ends_on=day)
    set_trips("bea", [within, longer])
    changed("bea", current_market=rome)
    markets = [{"id": rome.pk}, {"id": paris.pk}]
    assert travellers(markets, day) == {number("bea"): 1}
    assert travellers(markets, day + timedelta(1), [number("bea")]) == {number("bea"): 0}
    assert travellers(markets, day + timedelta(9)) == {number("bea"): 0}  # the current market
    assert travellers(markets, day, [number("adam")]) == {}


def test_the_date_moves_whose_trip_begins_or_has_ended(paris: Market) -> None:
    day = date(2026, 6, 10)
    set_trips("bea", [TripBody(market="paris", starts_on=day + timedelta(2), ends_on=day + timedelta(4))])
    days = [(0, 1), (1, 1), (1, 2), (2, 4), (4, 5), (1, 9), (5, 6)]
    moved = [(1, 2), (4, 5), (1, 9)]
    for since, today in days:
        found = moved_by_the_date(day + timedelta(since), day + timedelta(today))
        assert found == ({number("bea")} if (since, today) in moved else set()), (since, today)
