"""Nothing that was stored stays untold: whoever died or was away, the online state catches up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.common import clock, online
from apps.common.valkey import writing_client
from apps.interactions import rebuild, refill, services, telling
from apps.interactions.bodies import EventBody
from apps.interactions.delivery_ids import new_delivery_id
from apps.interactions.models import Delivery, Untold
from apps.interactions.online import CODES
from apps.interactions.partitions import ensure_partitions
from apps.interactions.tasks import heal_online_state_task
from apps.interactions.telling import IN_FLIGHT, tell_untold
from tests.interactions.test_telling import records
from tests.interactions.world import event, people, send, undo

pytestmark = pytest.mark.django_db


@pytest.fixture
def n(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Numbers of people; Valkey is believed, and nobody serves who had to be waited for."""
    monkeypatch.setattr(online, "LEASE_SECONDS", 0)
    monkeypatch.setattr(online, "MARGIN_SECONDS", 0)
    numbers = people("ann", "bob", "cat")
    assert rebuild.rebuild()
    return numbers


@pytest.fixture
def away(n: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Writes reach nobody until this is undone; the server keeps all it had."""
    with monkeypatch.context() as patched:
        patched.setattr(online, "writing_client", nobody)
        yield patched


def nobody() -> redis.Redis:
    """Where no server is."""
    return redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.1, retry=Retry(NoBackoff(), 0))


def late(type_: str, actor: str, target: str, **values: object) -> EventBody:
    return event(type_, actor, target, occurred_at=clock.now() - timedelta(minutes=1), **values)


def accepted(*events: EventBody) -> bool:
    return {result.status for result in send(*events, now=clock.now())} == {"accepted"}


def answered_without_valkey(viewer: int, candidate: int) -> None:
    now = clock.now()
    ensure_partitions("interactions_delivery", [now])
    Delivery.objects.create(
        id=new_delivery_id(viewer), surface="dating", viewer=viewer, served_at=now, release=1,
        snapshot="s", seed=1, requested=1, candidates=[candidate], scores=[1.0], propensities=[1.0],
        sources=[1], counted=False,
    )  # fmt: skip


def die(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_was_told_leaves_nothing_to_tell(n: dict[str, int]) -> None:
    assert accepted(late("like", "ann", "bob"), late("impression", "ann", "cat"))
    assert not Untold.objects.exists()


def test_events_are_accepted_while_valkey_is_away_and_told_when_it_is_back(
    n: dict[str, int], away: pytest.MonkeyPatch
) -> None:
    less = late("feedback", "ann", "cat", context={"reason": "too_far"})
    assert accepted(late("like", "ann", "bob"), late("block", "cat", "ann"))
    assert accepted(late("impression", "ann", "cat"), less)
    generation = online.current_belief().generation
    assert not online.current_belief().trusted
    assert records(online.acted_key("dating", n["ann"])) == {}
    away.undo()
    assert heal_online_state_task()
    belief = online.current_belief()
    assert (belief.trusted, belief.generation) == (True, generation), (
        "it was rebuilt, not told what it missed"
    )
    assert records(online.acted_key("dating", n["ann"]))[n["bob"], 0] == CODES["liked"]
    assert records(online.global_key(n["cat"]))[n["ann"], online.BLOCKED_BY_VIEWER] == 1
    assert [number for number, _ in records(online.seen_key("dating", n["ann"]))] == [n["cat"]]
    (asked,) = writing_client().mget(online.less_key(n["ann"]))
    assert asked[:8] == UUID(str(less.id)).bytes[:8][::-1]
    assert not Untold.objects.exists()


def test_who_missed_something_else_too_is_rebuilt(n: dict[str, int], away: pytest.MonkeyPatch) -> None:
    assert accepted(late("like", "ann", "bob"))
    online.publish_connections({(n["ann"], n["cat"]): 1})  # no row tells this again
    generation = online.current_belief().generation
    away.undo()
    assert heal_online_state_task()
    assert online.current_belief().trusted
    assert online.current_belief().generation > generation
    assert records(online.acted_key("dating", n["ann"])) == {(n["bob"], 0): CODES["liked"]}


def test_lists_that_were_answered_without_valkey_hold_people_back_when_it_is_believed_again(
    n: dict[str, int], away: pytest.MonkeyPatch
) -> None:
    assert accepted(late("like", "ann", "bob"))
    answered_without_valkey(n["ann"], n["cat"])
    generation = online.current_belief().generation
    away.undo()
    assert heal_online_state_task()
    belief = online.current_belief()
    assert (belief.trusted, belief.generation) == (True, generation), "it was rebuilt"
    assert records(online.held_key("dating", n["ann"])) == {(n["cat"], 0): 1}
    assert writing_client().ttl(online.held_key("dating", n["ann"])) > 0


def test_what_a_rebuild_missed_is_told_at_its_end_and_does_not_begin_it_anew(
    n: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gone = rebuild._write_gone

    def while_valkey_is_away(client: redis.Redis) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(online, "writing_client", nobody)
            assert accepted(late("like", "ann", "bob"), late("block", "cat", "ann"))
        write_gone(client)

    monkeypatch.setattr(rebuild, "_write_gone", while_valkey_is_away)
    generation = online.current_belief().generation
    assert rebuild.rebuild()
    belief = online.current_belief()
    assert (belief.trusted, belief.generation) == (True, generation + 2)
    assert records(online.acted_key("dating", n["ann"]))[n["bob"], 0] == CODES["liked"]
    assert records(online.global_key(n["cat"]))[n["ann"], online.BLOCKED_BY_VIEWER] == 1


STEPS = [
    (refill, "write_relationships"), (refill, "write_received"),
    (refill, "write_connections"), (refill, "write_seen"), (rebuild, "_write_gone"), (refill, "write_held"),
    (refill, "write_exposures"), (rebuild, "_write_held_without_valkey"), (rebuild, "tell_untold"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_who_was_emptied_during_a_rebuild_is_not_believed(
    n: dict[str, int], monkeypatch: pytest.MonkeyPatch, module: Any, step: str
) -> None:
    """Emptied after any of its steps, Valkey lacks blocks although the rebuild came to its end."""
    as_written = getattr(module, step)

    def emptied(*given: Any, **more: Any) -> Any:
        found = as_written(*given, **more)
        writing_client().flushdb()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(module, step, emptied)
        assert not rebuild.rebuild()
    assert not online.current_belief().trusted
    assert rebuild.rebuild_when_needed()
    assert online.current_belief().trusted


def test_who_was_emptied_is_rebuilt(n: dict[str, int], away: pytest.MonkeyPatch) -> None:
    assert accepted(late("block", "ann", "bob"))
    writing_client().flushdb()
    away.undo()
    generation = online.current_belief().generation
    assert heal_online_state_task()
    assert online.current_belief().generation > generation


def test_a_process_that_died_before_it_told_is_made_up_for(
    n: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    liked, blocked = late("like", "ann", "bob"), late("block", "ann", "cat")
    assert accepted(liked)
    taken_back = undo(liked).model_copy(update={"occurred_at": clock.now()})
    with monkeypatch.context() as patched:
        patched.setattr(services, "tell", die)
        with pytest.raises(KeyboardInterrupt):
            send(blocked, taken_back, now=clock.now())
    assert tell_untold() == 0, "whoever stored it may be telling it at this moment"
    Untold.objects.update(created_at=clock.now() - 2 * IN_FLIGHT)
    assert heal_online_state_task()
    assert records(online.global_key(n["cat"]))[n["ann"], online.BLOCKED_BY_OTHER] == 1
    assert records(online.received_key("dating", n["bob"])) == {(n["ann"], 0): 0}
    assert not Untold.objects.exists()
    assert not heal_online_state_task()


def test_while_valkey_is_not_believed_what_was_told_is_kept_to_be_told_again(n: dict[str, int]) -> None:
    """A rebuild may have read before this was stored, and write over it now."""
    online.mark_missed("rebuilding")
    assert accepted(late("like", "ann", "bob"))
    assert Untold.objects.count() == 1
    assert heal_online_state_task()
    assert not Untold.objects.exists()


def test_what_was_told_is_forgotten_together_and_nothing_of_it_while_valkey_is_not_believed(
    n: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "_told", deque())
    for target in ("bob", "cat"):
        assert accepted(late("like", "ann", target))
    assert Untold.objects.count() == 2
    with CaptureQueriesContext(connection) as queries:
        telling.forget_told()
        telling.forget_told()
    assert len(queries) == 1
    assert not Untold.objects.exists()
    online.mark_missed("rebuilding")
    assert accepted(late("pass", "bob", "cat"))
    telling.forget_told()
    assert Untold.objects.count() == 1


def test_what_could_not_be_forgotten_waits_for_the_next_time(
    n: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "_told", deque())
    assert accepted(late("like", "ann", "bob"))
    with monkeypatch.context() as patched:
        patched.setattr(telling, "_FORGET", "SELECT 1/0 WHERE %s::text <> '' OR %s")
        with pytest.raises(DatabaseError), transaction.atomic():
            telling.forget_told()
    telling.forget_told()
    assert not Untold.objects.exists()


def test_catching_up_stops_where_valkey_goes_away_again(
    n: dict[str, int], away: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "AT_ONCE", 1)
    for target in ("bob", "cat"):
        assert accepted(late("like", "ann", target))
    assert tell_untold(all_rows=True) == 0
    assert Untold.objects.count() == 2
    away.undo()
    assert tell_untold(all_rows=True) == 2


def test_six_batches_are_told_with_as_few_queries_as_one(n: dict[str, int]) -> None:
    asked = []
    for batches in (1, 6):
        for _ in range(batches):
            like = late("like", "ann", "bob")
            assert accepted(like, late("pass", "bob", "cat"))
            Untold.objects.create(events=[like.id])
        with CaptureQueriesContext(connection) as queries:
            assert tell_untold(all_rows=True) == batches
        asked.append(len(queries))
    assert asked[0] == asked[1]
