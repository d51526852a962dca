"""An erasure leaves a number and a time, and nothing else."""

from contextlib import nullcontext
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from django.db import connection, transaction

from apps.common import gone
from apps.common.errors import NotFound, Unavailable
from apps.common.models import Change
from apps.common.online import ERASED, GONE, global_key, read_records
from apps.common.valkey import writing_client
from apps.interactions import erasure
from apps.interactions.copier import store
from apps.interactions.delivery_ids import new_delivery_id
from apps.interactions.models import Delivery, Event, EventKey, Relationship, Undone
from apps.interactions.services import erase_member
from apps.members.bodies import ConnectionBody, TripBody
from apps.members.models import Erasure, Member
from apps.members.services import patch_member, put_connection, set_trips
from tests.interactions.world import NOW, bar, event, people, relationships, send, undo

pytestmark = pytest.mark.django_db


def delivery(viewer: int, surface: str, candidates: list[int], days_ago: int = 0) -> Delivery:
    n = len(candidates)
    return Delivery(
        id=new_delivery_id(viewer),
        served_at=NOW - timedelta(days=days_ago),
        viewer=viewer,
        surface=surface,
        release=1,
        snapshot="s",
        seed=1,
        requested=n,
        candidates=candidates,
        scores=[0.5] * n,
        propensities=[1.0] * n,
        sources=[1] * n,
    )


def rows_with(number: int) -> dict[str, int]:
    """How many rows of each table name this number as a member, by a look through all columns that can."""
    columns = {
        "interactions_event": "actor = %(n)s OR (target = %(n)s AND target_kind = 'member')",
        "interactions_relationship": "actor = %(n)s OR (target = %(n)s AND target_kind = 'member')",
        "interactions_delivery": "viewer = %(n)s "
        "OR (%(n)s = ANY(candidates || feature_numbers) AND surface <> 'travel')",
        "interactions_undone": "actor = %(n)s",
        "members_member": "number = %(n)s",
        "members_trip": "member_id = %(n)s",
        "members_earlierprofile": "number = %(n)s",
        "members_connection": "a_id = %(n)s OR b_id = %(n)s",
    }
    found = {}
    with connection.cursor() as cursor:
        for table, condition in columns.items():
            cursor.execute(f"SELECT count(*) FROM {table} WHERE {condition}", {"n": number})
            found[table] = cursor.fetchone()[0]
    return found


def test_nothing_is_left_of_an_erased_member() -> None:
    n = people("ann", "bob", "cat")
    ann, bob, cat = n["ann"], n["bob"], n["cat"]
    bar()
    like = event("like", "ann", "bob")
    send(like, event("like", "bob", "ann"), event("block", "cat", "ann"), event("like", "bob", "cat"))
    send(event("save", "ann", "bar"), event("impression", "ann", "cat"), undo(like))
    put_connection("ann", "bob", ConnectionBody())
    day = {"market": "london", "starts_on": "2026-07-01", "ends_on": "2026-07-09"}
    set_trips("ann", [TripBody.model_validate(day)])
    patch_member("ann", {"crafts": ["acting"]})  # what the profile said before is kept
    mine, theirs, old = (
        delivery(ann, "dating", [bob]),
        delivery(bob, "dating", [cat, ann]),
        delivery(bob, "dating", [ann], days_ago=90),
    )
    places = delivery(bob, "travel", [ann])  # a place that happens to have the same number
    store([mine, theirs, old, places])
    assert min(rows_with(ann).values()) > 0

    erase_member("ann")

    assert set(rows_with(ann).values()) == {0}
    assert relationships() == {(bob, cat, "dating"): "liked"}
    assert Delivery.objects.get(id=theirs.id).candidates == [cat, 0]
    assert Delivery.objects.get(id=old.id).candidates == [0]
    assert Delivery.objects.get(id=places.id).candidates == [ann]
    assert not Member.objects.filter(external_id="ann").exists()
    assert Erasure.objects.get().number == ann
    assert Change.objects.filter(kind="member.erased", number=ann).count() == 1
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        assert client.sismember(GONE["member"], str(ann))
        assert client.keys(f"o:*:{ann}") == [global_key(ann).encode()]
        (left,) = read_records(client.get(global_key(ann))).tolist()
        assert left == (0, ERASED, 1, 0.0)


def test_event_ids_stay_used_and_without_content() -> None:
    people("ann", "bob", "cat")
    like = event("like", "ann", "bob")
    send(like)
    erase_member("ann")
    assert bytes(EventKey.objects.get(id=like.id).digest) == b""
    (again,) = send(like.model_copy(update={"actor": "cat"}))
    assert (again.status, again.code) == ("rejected", "id_reused")
    assert not Event.objects.exists()
    assert not Relationship.objects.exists()
    assert not Undone.objects.exists()


def test_events_of_an_erased_member_are_refused() -> None:
    people("ann", "bob")
    erase_member("ann")
    codes = [result.code for result in send(event("like", "ann", "bob"), event("like", "bob", "ann"))]
    assert codes == ["unknown_actor", "unknown_target"]


def test_who_returns_under_the_same_id_is_somebody_new() -> None:
    before = people("ann")["ann"]
    erase_member("ann")
    assert people("ann")["ann"] != before
    with pytest.raises(NotFound):
        erase_member(f"nobody-{uuid4()}")


def test_a_delivery_that_was_on_its_way_arrives_without_them() -> None:
    n = people("ann", "bob")
    ann, bob = n["ann"], n["bob"]
    erase_member("ann")
    places = delivery(bob, "travel", [ann])
    store([delivery(ann, "dating", [bob]), delivery(bob, "dating", [ann, bob]), places])
    found = Delivery.objects.values_list("viewer", "surface", "candidates").order_by("surface")
    assert list(found) == [(bob, "dating", [0, bob]), (bob, "travel", [ann])]


def test_whoever_erases_again_is_not_told_that_there_is_nobody_before_the_guard_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = people("ann")["ann"]

    def ends(*_: object) -> None:
        raise Unavailable("the process ends after its commit")

    with monkeypatch.context() as patch:
        patch.setattr(gone, "publish_gone", ends)
        with pytest.raises(Unavailable):
            erase_member("ann")
    assert not writing_client().sismember(GONE["member"], str(ann))
    with pytest.raises(NotFound):
        erase_member("ann")
    assert writing_client().sismember(GONE["member"], str(ann))


def test_who_waited_for_the_same_erasure_tells_the_guard_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both found the member; the other one has committed and has told nobody yet."""
    ann = people("ann")["ann"]

    def remove(external_id: str) -> int:
        Erasure.objects.create(number=ann)
        raise NotFound("There is no such member.")

    monkeypatch.setattr(erasure, "remove_member", remove)
    monkeypatch.setattr(transaction, "atomic", nullcontext)  # the other one's commit stands
    with pytest.raises(NotFound):
        erase_member("ann")
    assert writing_client().sismember(GONE["member"], str(ann))
