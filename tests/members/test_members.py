"""Members through their one door: saved in sets, patched, hidden before it is acknowledged, never exact."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from django.conf import settings
from django.db import connection

from apps.common import clock, gone, online
from apps.common.bodies import parse
from apps.common.errors import NotFound, Problem
from apps.common.geo import cell_of, centre_of
from apps.common.models import Change
from apps.common.online import GONE
from apps.common.valkey import writing_client
from apps.members import services
from apps.members.bodies import ConnectionBody, MemberBody, TripBody
from apps.members.models import Connection, Member, Trip
from apps.members.selectors import contacts_of, latest_adult_birth_date, member_body, member_by_id, numbers_of
from tests.interactions.world import london, people, profile

pytestmark = pytest.mark.django_db
EXACT = (51.507351, -0.127758)


def body(**values: Any) -> MemberBody:
    return parse(MemberBody, profile(**values))


def put(external_id: str = "ann", **values: Any) -> bool:
    return services.put_member(external_id, body(**values))


def gone_now() -> set[int]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        return {int(number) for number in client.smembers(GONE["member"])}


def everything_stored() -> str:
    """All rows of all tables, as text, without what a clock says: its seconds may be anybody's latitude."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = []
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')
            found += [row for (row,) in cursor.fetchall()]
    return re.sub(r"\d\d:\d\d:\d\d\.\d+", "", "\n".join(found))


def test_put_says_whether_the_member_is_new_and_is_whole() -> None:
    london()
    assert put(bio="Hello", skills=["Chess"]) is True
    assert put() is False
    member = member_by_id("ann")
    assert (member.bio, member.skills) == ("", [])


def test_a_save_that_is_slow_to_tell_brings_nobody_back_who_was_hidden_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    london()
    put()
    number = member_by_id("ann").number
    put(visibility="hidden")
    real = gone.publish_back

    def slow(kind: str, versions: dict[int, int]) -> None:
        monkeypatch.setattr(gone, "publish_back", real)
        put(visibility="hidden")
        real(kind, versions)

    monkeypatch.setattr(gone, "publish_back", slow)
    put()
    assert gone_now() == {number}


def test_whoever_turns_18_is_not_gone_any_more_and_nobody_else_is_brought_back() -> None:
    born = latest_adult_birth_date(clock.today()) + timedelta(days=1)
    london()
    for name, values in {"ann": {}, "bob": {"visibility": "hidden"}, "cat": {"status": "paused"}}.items():
        put(name, birth_date=born.isoformat(), **values)
    put("dan", birth_date=(born + timedelta(days=2)).isoformat())
    everybody = numbers_of(["ann", "bob", "cat", "dan"])
    assert gone_now() == set(everybody.values())
    with time_machine.travel(clock.now() + timedelta(days=1)):
        services.bring_back_grown_up()
    assert gone_now() == {everybody[name] for name in ("bob", "cat", "dan")}


def test_a_connection_that_was_deleted_first_and_told_last_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = people("ann", "bob").values()
    services.put_connection("ann", "bob", ConnectionBody())
    real = online.publish_connections

    def slow(versions: dict[tuple[int, int], int], *, connected: bool) -> None:
        monkeypatch.setattr(online, "publish_connections", real)
        services.put_connection("ann", "bob", ConnectionBody())
        real(versions, connected=connected)

    monkeypatch.setattr(online, "publish_connections", slow)
    services.delete_connection("ann", "bob")
    assert _connections(a) == {b: 1}
    services.delete_connection("ann", "bob")
    assert _connections(a) == {b: 0}


def test_what_a_rebuild_says_of_a_connection_is_not_later_than_what_is_said_of_it_afterwards() -> None:
    from apps.interactions import refill

    a, b = people("ann", "bob").values()
    services.put_connection("ann", "bob", ConnectionBody())
    read_before = refill.read_connections()
    services.delete_connection("ann", "bob")
    refill.write_connections(writing_client(), read_before)
    assert _connections(a) == {b: 0}


def _connections(number: int) -> dict[int, int]:
    """States by the other's number, as Valkey has them."""
    found = online.read_records(writing_client().get(online.global_key(number)))
    return dict(found[["number", "state"]].tolist())


def test_what_is_read_back_is_what_can_be_put_again() -> None:
    london()
    put(
        home={"latitude": EXACT[0], "longitude": EXACT[1]},
        seeking=["man", "nonbinary"],
        intents=["hire"],
        interests={"Film": 0.5},
        max_distance_km=30,
        last_active_at="2026-05-01T18:30:00+02:00",
        current_market="london",
    )
    said = member_body(member_by_id("ann"))
    assert said["interests"] == {"film": 0.5}
    assert said["last_active_at"] == "2026-05-01T16:30:00+00:00"
    assert services.put_member("ann", parse(MemberBody, said)) is False
    assert member_body(member_by_id("ann")) == said


def test_an_exact_position_is_kept_in_no_row_of_any_table() -> None:
    london()
    put(home={"latitude": EXACT[0], "longitude": EXACT[1]})
    member = member_by_id("ann")
    assert member.home_cell == cell_of(*EXACT)
    assert member_body(member)["home"]["latitude"] == round(centre_of(cell_of(*EXACT))[0], 5)
    stored = everything_stored()
    assert str(cell_of(*EXACT)) in stored
    assert not [digits for digits in ("51.507", "0.1277") if digits in stored]


def test_a_home_takes_the_nearest_market_within_100_km_or_none() -> None:
    london()
    put("near", home={"latitude": 51.75, "longitude": -1.25})  # Oxford, 83 km
    put("far", home={"latitude": 53.48, "longitude": -2.24})  # Manchester, 262 km
    assert member_by_id("near").home_market is not None
    assert member_by_id("far").home_cell is None


def test_an_unknown_market_refuses_its_row_and_only_that() -> None:
    london()
    away = {"latitude": 1.0, "longitude": 2.0, "market": "atlantis"}
    results = services.save_members(
        [("ann", body(home=away)), ("bob", body()), ("cat", body(current_market="x"))]
    )
    assert [(r.status, r.code, r.field) for r in results] == [
        ("rejected", "unknown_market", "home.market"),
        ("created", None, None),
        ("rejected", "unknown_market", "current_market"),
    ]
    assert list(Member.objects.values_list("external_id", flat=True)) == ["bob"]
    assert Change.objects.count() == 1


def test_of_rows_with_one_id_the_last_one_stays() -> None:
    services.save_members([("ann", body(bio="one")), ("ann", body(bio="two"))])
    assert member_by_id("ann").bio == "two"


def test_joined_is_kept_unless_it_is_said() -> None:
    put(joined_at="2020-05-01T00:00:00Z")
    put()
    assert member_by_id("ann").joined_at == datetime(2020, 5, 1, tzinfo=UTC)
    put(joined_at="2021-05-01T00:00:00Z")
    assert member_by_id("ann").joined_at == datetime(2021, 5, 1, tzinfo=UTC)


def test_a_patch_merges_and_null_takes_a_key_back() -> None:
    london()
    put(bio="Hello", interests={"film": 1.0, "chess": 0.5}, home={"latitude": 51.5, "longitude": -0.1})
    services.patch_member("ann", {"interests": {"Film": None, "yoga": 0.2}, "bio": None, "age_min": 30})
    member = member_by_id("ann")
    assert member.interests == {"chess": 0.5, "yoga": 0.2}
    assert (member.bio, member.age_min) == ("", 30)
    assert member.home_cell is not None
    services.patch_member("ann", {"home": None})
    assert member_by_id("ann").home_cell is None


@pytest.mark.parametrize(
    ("patch", "code", "field"),
    [
        ({"age_min": 121}, "out_of_range", "age_min"),
        ({"display_name": None}, "missing", "display_name"),
        ({"nickname": "A"}, "unknown_key", "nickname"),
        ([1], "wrong_type", None),
        ({"id": "bob"}, "id_mismatch", "id"),
        ({"bio": "a\x00"}, "invalid_text", "bio"),
        ({"bio": "\ud800"}, "invalid_text", "bio"),
        ({"home": {"latitude": 51}}, "missing", "home.longitude"),
    ],
)
def test_a_patch_that_is_refused_writes_nothing(patch: Any, code: str, field: str | None) -> None:
    put(bio="Hello")
    before = (Member.objects.values().get(), Change.objects.count())
    with pytest.raises(Problem) as refusal:
        services.patch_member("ann", patch)
    assert (refusal.value.code, refusal.value.field) == (code, field)
    assert (Member.objects.values().get(), Change.objects.count()) == before


def test_unknown_members_are_not_found() -> None:
    for call in (services.stop_member, services.unstop_member, services.remove_member, member_by_id):
        with pytest.raises(NotFound):
            call("nobody")
    with pytest.raises(NotFound):
        services.patch_member("nobody", {})
    with pytest.raises(NotFound):
        services.set_trips("nobody", [])


@pytest.mark.parametrize(
    "values",
    [
        {"status": "paused"},
        {"status": "applicant"},
        {"visibility": "hidden"},
        {"birth_date": None},
        {"birth_date": "2020-01-01"},
    ],
)
def test_who_may_not_be_shown_is_gone_before_it_is_acknowledged_and_back_after(
    values: dict[str, Any],
) -> None:
    put()
    assert gone_now() == set()
    put(**values)
    assert gone_now() == {member_by_id("ann").number}
    put()
    assert gone_now() == set()


def test_a_new_member_who_may_not_be_shown_is_gone_too() -> None:
    put(status="paused")
    assert gone_now() == {member_by_id("ann").number}


def test_a_stopped_member_is_gone_until_unstopped_whatever_is_put() -> None:
    put()
    services.stop_member("ann")
    put()
    assert gone_now() == {member_by_id("ann").number}
    services.unstop_member("ann")
    assert gone_now() == set()


def test_adult_is_18_years_to_the_day() -> None:
    assert latest_adult_birth_date(date(2026, 6, 15)) == date(2008, 6, 15)
    assert latest_adult_birth_date(date(2028, 2, 29)) == date(2010, 2, 28)


def test_trips_are_replaced_as_a_whole() -> None:
    people("ann")
    day = {"market": "london", "starts_on": "2026-07-01", "ends_on": "2026-07-09"}
    services.set_trips("ann", [parse(TripBody, day)] * 2)
    services.set_trips("ann", [parse(TripBody, day)])
    assert Trip.objects.count() == 1
    with pytest.raises(Problem, match="no such market"):
        services.set_trips("ann", [parse(TripBody, day | {"market": "atlantis"})])
    assert Trip.objects.count() == 1


def test_an_edge_is_stored_once_whichever_side_is_named_first() -> None:
    n = people("ann", "bob")
    assert services.put_connection("bob", "ann", ConnectionBody()) is True
    assert services.put_connection("ann", "bob", parse(ConnectionBody, {"kind": "contact"})) is False
    edge = Connection.objects.get()
    assert (edge.a_id, edge.b_id, edge.kind) == (n["ann"], n["bob"], "contact")
    assert contacts_of(n["ann"]) == {n["bob"]}
    services.delete_connection("bob", "ann")
    assert not Connection.objects.exists()
    with pytest.raises(NotFound):
        services.delete_connection("bob", "ann")


def test_bulk_edges_refuse_unknown_members_and_oneself_by_row() -> None:
    people("ann", "bob")
    given = ConnectionBody()
    results = services.save_connections([("ann", "x", given), ("ann", "ann", given), ("ann", "bob", given)])
    assert [(r.code, r.field) for r in results] == [
        ("unknown_member", "b"),
        ("self_connection", "b"),
        (None, None),
    ]
    assert Connection.objects.count() == 1


def test_numbers_are_found_by_any_id_that_can_be_stored() -> None:
    odd = 'a"b\\c{},é\n'
    services.put_member(odd, body())
    assert list(numbers_of([odd, "nobody"])) == [odd]


def test_nothing_to_save_is_no_error() -> None:
    assert services.save_members([]) == services.save_connections([]) == services.save_trips([]) == []
