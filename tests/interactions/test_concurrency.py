"""Two batches at once over the same pair: never a missed match, never a deadlock, never stored twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection, transaction

from apps.interactions.bodies import EventBody
from apps.interactions.bonds import WRITING, locks_of
from apps.interactions.checks import EventResult
from apps.interactions.models import Event
from apps.interactions.relationships import bond_of
from tests.interactions.world import NOW, event, people, relationships, send, undo

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 15


@pytest.fixture(autouse=True)
def surfaces(db: None) -> None:
    from apps.surfaces.services import ensure_first_surfaces

    ensure_first_surfaces()  # a test before this one may have emptied every table


def at_once(*batches: list[EventBody]) -> list[list[EventResult]]:
    """Each batch on a connection of its own, all let go at the same moment."""
    barrier = Barrier(len(batches))

    def run(batch: list[EventBody]) -> list[EventResult]:
        connection.ensure_connection()
        barrier.wait(timeout=10)
        try:
            return send(*batch)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(batches)) as pool:
        return list(pool.map(run, batches))


def test_two_likes_that_cross_always_make_a_match() -> None:
    names = [(f"a{i}", f"b{i}") for i in range(ROUNDS)]
    n = people(*(name for pair in names for name in pair))
    for a, b in names:
        at_once([event("like", a, b)], [event("like", b, a)])
    found = relationships()
    assert {found[n[a], n[b], "dating"] for a, b in names} == {"matched"}
    assert {found[n[b], n[a], "dating"] for a, b in names} == {"matched"}


def test_an_undo_that_crosses_its_like_always_takes_it_back() -> None:
    people("ann", "bob")
    for _ in range(ROUNDS):
        like = event("like", "ann", "bob")
        at_once([like], [undo(like)])
        assert relationships() == {}


def test_the_same_batch_sent_twice_at_once_is_stored_once_in_any_order() -> None:
    """Large, and the other way round: keys written in the order given would deadlock."""
    names = [f"m{i}" for i in range(30)]
    people(*names)
    for _ in range(5):
        batch = [event("like", a, b) for a in names for b in names if a != b]
        one, two = at_once(batch, batch[::-1])
        assert {a.status + b.status for a, b in zip(one, two[::-1], strict=True)} <= {
            "acceptedduplicate",
            "duplicateaccepted",
        }
    assert Event.objects.count() == 5 * 30 * 29


def test_an_id_used_at_once_for_two_things_is_given_to_one() -> None:
    people("ann", "bob")
    for _ in range(ROUNDS):
        like = event("like", "ann", "bob")
        other = like.model_copy(update={"position": 7})
        (one,), (two,) = at_once([like], [other])
        assert sorted([one.status, two.status]) == ["accepted", "rejected"]
        assert {one.code, two.code} == {None, "id_reused"}


def test_large_batches_over_the_same_pairs_do_not_deadlock() -> None:
    names = [f"m{i}" for i in range(30)]
    people(*names)
    pairs = [(a, b) for a in names for b in names if a != b]
    make: Callable[[str], list[EventBody]] = lambda type_: [event(type_, a, b) for a, b in pairs]  # noqa: E731
    results = at_once(make("like"), make("like")[::-1], make("block"))
    assert {result.status for batch in results for result in batch} == {"accepted"}
    assert sum(state == "matched" for state in relationships().values()) == len(pairs)


def test_a_batch_that_waits_for_a_pair_holds_none_that_comes_after_it() -> None:
    """A repeat may be told again though the batch can't be given it as new: it is too old to be sent now."""
    names = ("ann", "bob", "cid", "dee")
    n = people(*names)

    def slot(pair: tuple[str, str]) -> int:
        a, b = pair
        return locks_of([bond_of("like", n[a], n[b], "member", "dating")])[0][1]

    first, last = sorted([("ann", "bob"), ("cid", "dee")], key=slot)
    assert slot(first) < slot(last)
    old = event("like", *first)
    send(old)
    later, days = NOW + timedelta(days=40), 40 * 24 * 60

    def send_both() -> list[EventResult]:
        try:
            return send(event("like", *last, minute=days), old, now=later)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert asked("SELECT pg_advisory_xact_lock(%s, %s)", WRITING, slot(first)) is not None
            sending = pool.submit(send_both)
            until = monotonic() + 10
            while not asked("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                assert monotonic() < until
                assert not sending.done()
                sleep(0.01)
            assert asked("SELECT pg_try_advisory_xact_lock(%s, %s)", WRITING, slot(last))
        assert [result.status for result in sending.result(timeout=10)] == ["accepted", "duplicate"]


def asked(sql: str, *values: object) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]
