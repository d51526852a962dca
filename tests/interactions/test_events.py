"""Events through their one door: stored once, refused with a reason, turned into relationships."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common.bodies import Rejected
from apps.interactions.delivery_ids import new_delivery_id
from apps.interactions.models import Event, EventKey, Relationship
from apps.interactions.services import record_events
from tests.interactions.world import NOW, bar, event, people, refusals, relationships, send, undo

pytestmark = pytest.mark.django_db


def test_a_like_is_stored_and_changes_the_relationship_now() -> None:
    n = people("ann", "bob")
    (result,) = send(event("like", "ann", "bob"))
    assert result.status == "accepted"
    assert relationships() == {(n["ann"], n["bob"], "dating"): "liked"}
    row = Event.objects.get()
    assert (row.actor, row.target, row.target_kind, row.surface) == (n["ann"], n["bob"], "member", "dating")


def test_likes_both_ways_on_one_surface_are_a_match_and_on_two_are_none() -> None:
    n = people("ann", "bob", "cat")
    send(event("like", "ann", "bob"), event("like", "bob", "ann"))
    send(event("like", "ann", "cat"), event("like", "cat", "ann", surface="networking"))
    a, b, c = n["ann"], n["bob"], n["cat"]
    assert relationships() == {
        (a, b, "dating"): "matched",
        (b, a, "dating"): "matched",
        (a, c, "dating"): "liked",
        (c, a, "networking"): "liked",
    }


def test_an_event_sent_again_is_a_duplicate_and_stored_once() -> None:
    people("ann", "bob")
    like = event("like", "ann", "bob")
    first, second = send(like, like)
    (third,) = send(like)
    (much_later,) = send(like, now=NOW + timedelta(days=400))
    assert [first.status, second.status, third.status, much_later.status] == ["accepted"] + ["duplicate"] * 3
    assert Event.objects.count() == EventKey.objects.count() == 1


def test_an_id_used_again_with_other_content_is_refused_within_and_across_batches() -> None:
    people("ann", "bob")
    like = event("like", "ann", "bob")
    other = event("pass", "ann", "bob", id=str(like.id))
    assert refusals(like, other) == [(None, None), ("id_reused", "id")]
    assert refusals(other) == [("id_reused", "id")]
    assert refusals(event("pass", "ann", "bob", id=str(like.id), minute=50)) == [("id_reused", "id")]
    assert Event.objects.get().type == "like"


def test_what_is_refused_says_why_and_writes_nothing() -> None:
    n = people("ann", "bob")
    bar()
    foreign = new_delivery_id(n["bob"])
    table = [
        (event("like", "nobody", "bob"), ("unknown_actor", "actor")),
        (event("like", "ann", "nobody"), ("unknown_target", "target")),
        (event("save", "ann", "nowhere"), ("unknown_target", "target")),
        (event("like", "ann", "bob", surface="lobby"), ("unknown_surface", "surface")),
        (event("like", "ann", "bob", surface="travel"), ("kind_mismatch", "surface")),
        (event("save", "ann", "bar", surface="dating"), ("kind_mismatch", "surface")),
        (event("like", "ann", "bob", delivery=str(foreign)), ("unknown_delivery", "delivery")),
        (event("like", "ann", "bob", delivery=str(uuid4())), ("unknown_delivery", "delivery")),
        (event("like", "ann", "bob", minute=66), ("in_future", "occurred_at")),
        (event("like", "ann", "bob", minute=-60 * 24 * 30), ("too_old", "occurred_at")),
    ]
    assert refusals(*[body for body, _ in table]) == [expected for _, expected in table]
    assert not Event.objects.exists()
    assert not EventKey.objects.exists()
    assert not Relationship.objects.exists()


def test_one_refused_event_does_not_hold_up_the_others() -> None:
    people("ann", "bob")
    unread = Rejected("7", "wrong_type", "type", "Not a type.")
    results = record_events([unread, event("like", "ann", "x"), event("like", "ann", "bob")], now=NOW)
    assert [result.status for result in results] == ["rejected", "rejected", "accepted"]


def test_events_up_to_30_days_late_are_taken_and_older_ones_by_file_only() -> None:
    people("ann", "bob")
    late = event("like", "ann", "bob", minute=-60 * 24 * 30 + 61)
    old = event("pass", "bob", "ann", minute=-60 * 24 * 900)
    assert [result.status for result in send(late, old)] == ["accepted", "rejected"]
    assert [result.status for result in send(old, backfill=True)] == ["accepted"]


def test_each_month_has_its_own_partition() -> None:
    people("ann", "bob")
    send(
        event("like", "ann", "bob"),
        event("like", "bob", "ann", minute=-60 * 24 * 700),
        backfill=True,
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM interactions_event ORDER BY 1")
        tables = [name for (name,) in cursor.fetchall()]
    assert tables == ["interactions_event_2024_07", "interactions_event_2026_06"]


def test_a_delivery_of_the_actor_is_taken_without_a_row_of_it() -> None:
    n = people("ann", "bob")
    mine = new_delivery_id(n["ann"])
    (result,) = send(event("like", "ann", "bob", delivery=str(mine), position=3))
    assert result.status == "accepted"
    assert Event.objects.get().delivery == UUID(str(mine))


def test_a_block_is_global_and_a_report_is_not_lifted_by_an_unblock() -> None:
    n = people("ann", "bob", "cat")
    a, b, c = n["ann"], n["bob"], n["cat"]
    send(event("block", "ann", "bob"), event("unblock", "ann", "bob", minute=1))
    assert relationships() == {}
    send(event("block", "ann", "bob", minute=2), event("report", "ann", "cat", minute=2))
    send(event("unblock", "ann", "cat", minute=3), event("unblock", "bob", "ann", minute=3))
    assert relationships() == {(a, b, ""): "blocked", (a, c, ""): "reported"}


def test_an_undo_takes_back_its_event_also_when_it_arrives_first() -> None:
    n = people("ann", "bob")
    like, back = event("like", "ann", "bob"), event("like", "bob", "ann")
    send(undo(back), like)
    assert relationships() == {(n["ann"], n["bob"], "dating"): "liked"}
    send(back)
    assert relationships() == {(n["ann"], n["bob"], "dating"): "liked"}
    send(undo(like))
    assert relationships() == {}


def test_an_undo_reaches_only_ones_own_events_and_never_a_block() -> None:
    n = people("ann", "bob")
    block, like = event("block", "ann", "bob"), event("like", "ann", "bob")
    early = undo(like, actor="bob")
    assert refusals(early) == [(None, None)]
    send(block, like)
    assert refusals(undo(block), undo(like, actor="bob")) == [
        ("not_undoable", "target"),
        ("unknown_target", "target"),
    ]
    assert relationships() == {
        (n["ann"], n["bob"], ""): "blocked",
        (n["ann"], n["bob"], "dating"): "liked",
    }


def test_an_unmatch_ends_it_for_both_until_both_like_again() -> None:
    n = people("ann", "bob")
    pair, reverse = (n["ann"], n["bob"], "dating"), (n["bob"], n["ann"], "dating")
    send(event("like", "ann", "bob"), event("like", "bob", "ann"), event("unmatch", "bob", "ann", minute=1))
    assert relationships() == {pair: "unmatched", reverse: "unmatched"}
    send(event("like", "ann", "bob", minute=2))
    assert relationships() == {pair: "liked", reverse: "unmatched"}
    send(event("like", "bob", "ann", minute=3))
    assert relationships() == {pair: "matched", reverse: "matched"}


def test_a_saved_place_is_a_relationship() -> None:
    n = people("ann")
    bar()
    save = event("save", "ann", "bar")
    send(save, event("visit", "ann", "bar", surface=None))
    (key,) = relationships()
    assert (key[0], key[2]) == (n["ann"], "travel")
    send(undo(save))
    assert relationships() == {}


def test_an_empty_batch_is_no_error() -> None:
    assert send() == []


def test_a_batch_of_a_hundred_asks_postgres_as_often_as_one_of_four() -> None:
    names = [f"p{i}" for i in range(26)]
    people(*names)
    asked = []
    for size in (1, 25):
        batch = [
            event(kind, "p0", name)
            for name in names[1 : size + 1]
            for kind in ("impression", "like", "block", "message")
        ]
        with CaptureQueriesContext(connection) as queries:
            assert {result.status for result in send(*batch)} == {"accepted"}
        month = ("SAVEPOINT", "RELEASE", "CREATE TABLE", "SELECT pg_advisory_xact_lock(hashtext")
        asked.append([query["sql"] for query in queries if not query["sql"].startswith(month)])
    assert len(asked[0]) == len(asked[1])
    assert len(asked[1]) <= 11
