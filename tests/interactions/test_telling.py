"""What events change is in Valkey when they are acknowledged, and sending them again heals what was lost."""

from datetime import timedelta

import pytest
import redis
from django.conf import settings

from apps.common import online
from apps.common.valkey import background_client
from apps.interactions import services
from apps.interactions.exposures import release_due
from apps.interactions.online import BY_OTHER, CODES
from apps.surfaces.services import ensure_first_surfaces
from tests.interactions.grants import believe, counted, grant, order
from tests.interactions.world import NOW, event, people, send, undo

pytestmark = pytest.mark.django_db


def records(key: str) -> dict[tuple[int, int], int]:
    """State by (number, slot)."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        found = online.read_records(client.get(key))  # type: ignore[arg-type]
    return {(int(r["number"]), int(r["slot"])): int(r["state"]) for r in found}


def test_a_block_stands_on_both_sides_when_it_is_acknowledged_and_an_unblock_lifts_both() -> None:
    n = people("ann", "bob")
    mine, theirs = online.global_key(n["ann"]), online.global_key(n["bob"])
    send(event("block", "ann", "bob"))
    assert records(mine)[n["bob"], online.BLOCKED_BY_VIEWER] == 1
    assert records(theirs)[n["ann"], online.BLOCKED_BY_OTHER] == 1
    send(event("unblock", "ann", "bob", minute=1))
    assert records(mine)[n["bob"], online.BLOCKED_BY_VIEWER] == 0
    assert records(theirs)[n["ann"], online.BLOCKED_BY_OTHER] == 0


def test_a_late_unblock_from_before_the_block_lifts_nothing() -> None:
    n = people("ann", "bob")
    send(event("block", "ann", "bob", minute=2))
    send(event("unblock", "ann", "bob", minute=1))
    assert records(online.global_key(n["ann"]))[n["bob"], online.BLOCKED_BY_VIEWER] == 1


def test_a_like_and_its_undo_reach_the_likes_received() -> None:
    n = people("ann", "bob")
    like = event("like", "ann", "bob")
    send(like)
    assert records(online.received_key("dating", n["bob"])) == {(n["ann"], 0): 1}
    send(undo(like))
    assert records(online.received_key("dating", n["bob"])) == {(n["ann"], 0): 0}


def test_an_undone_match_is_none_for_the_other_side_either() -> None:
    n = people("ann", "bob")
    like = event("like", "bob", "ann")
    send(event("like", "ann", "bob"), like)
    assert records(online.acted_key("dating", n["bob"]))[n["ann"], BY_OTHER] == CODES["matched"]
    send(undo(like))
    assert set(records(online.acted_key("dating", n["bob"])).values()) == {0}
    assert records(online.received_key("dating", n["bob"])) == {(n["ann"], 0): 1}


def test_a_duplicate_heals_what_valkey_lost() -> None:
    n = people("ann", "bob")
    block = event("block", "ann", "bob")
    send(block)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
    (result,) = send(block)
    assert result.status == "duplicate"
    assert records(online.global_key(n["bob"]))[n["ann"], online.BLOCKED_BY_OTHER] == 1


def test_a_duplicate_impression_is_told_as_it_was_first_received(monkeypatch: pytest.MonkeyPatch) -> None:
    n = people("ann", "bob")
    ensure_first_surfaces()
    believe()
    seen = event("impression", "ann", "bob", occurred_at=NOW)
    with monkeypatch.context() as patch:
        patch.setattr(services, "tell", lambda *_: 1 / 0)  # the process dies after the commit
        with pytest.raises(ZeroDivisionError):
            send(seen)
    earlier, later = (order(n["ann"], [n["bob"]], NOW + timedelta(minutes=by)) for by in (-5, 5))
    assert grant(earlier)
    background_client().delete(online.held_key("dating", n["ann"]))
    assert grant(later)
    assert [result.status for result in send(seen, now=NOW + timedelta(minutes=10))] == ["duplicate"]
    assert n["bob"] in {number for number, _ in records(online.seen_key("dating", n["ann"]))}
    release_due(["dating"], now=NOW + timedelta(hours=1))
    assert counted(n["bob"]) == 1  # what was granted before it came, and nothing else


def test_an_old_duplicate_block_does_not_come_back_after_the_unblock() -> None:
    n = people("ann", "bob")
    block = event("block", "ann", "bob")
    send(block, event("unblock", "ann", "bob", minute=1))
    send(block)
    assert records(online.global_key(n["ann"])).get((n["bob"], online.BLOCKED_BY_VIEWER), 0) == 0


def test_an_impression_is_seen_and_a_refused_event_is_not_told() -> None:
    n = people("ann", "bob")
    send(event("impression", "ann", "bob"), event("block", "ann", "nobody"))
    assert [number for number, _ in records(online.seen_key("dating", n["ann"]))] == [n["bob"]]
    assert records(online.global_key(n["ann"])) == {}
