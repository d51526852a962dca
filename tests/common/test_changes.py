"""The change feed is read by a position that no slow commit can fall behind."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from apps.common.changes import Position, changes_after, latest_position, record_changes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def open_transaction() -> Iterator[threading.Event]:
    """Another connection that has written a change and commits only when the returned event is set."""
    wrote, may_commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                record_changes("member.saved", [1])
                wrote.set()
                may_commit.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=write_slowly)
    thread.start()
    assert wrote.wait(20)
    yield may_commit
    may_commit.set()
    thread.join(20)


def position_of(change: object) -> Position:
    return Position(change.transaction, change.id)  # type: ignore[attr-defined]


def test_changes_come_in_the_order_of_their_transactions() -> None:
    record_changes("member.saved", [4, 5])
    record_changes("member.erased", [4])

    changes = changes_after(Position())

    assert [(c.kind, c.number) for c in changes] == [
        ("member.saved", 4),
        ("member.saved", 5),
        ("member.erased", 4),
    ]
    assert changes_after(position_of(changes[-1])) == []


def test_a_commit_that_is_slower_than_a_later_one_is_never_skipped(open_transaction: threading.Event) -> None:
    record_changes("member.saved", [2])  # later, but committed first

    seen_early = changes_after(Position())
    position = position_of(seen_early[-1]) if seen_early else Position()
    open_transaction.set()
    _wait_until_two_are_stored()

    assert [c.number for c in seen_early] == []
    assert sorted(c.number for c in changes_after(position)) == [1, 2]


def test_a_reader_that_starts_at_the_latest_position_misses_nothing_that_is_still_open(
    open_transaction: threading.Event,
) -> None:
    position = latest_position()
    open_transaction.set()
    _wait_until_one_is_readable(position)

    assert [c.number for c in changes_after(position)] == [1]


def _wait_until_two_are_stored() -> None:
    _wait(lambda: len(changes_after(Position())) == 2)


def _wait_until_one_is_readable(position: Position) -> None:
    _wait(lambda: len(changes_after(position)) == 1)


def _wait(condition) -> None:  # type: ignore[no-untyped-def]
    pause = threading.Event()
    for _ in range(200):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError("did not happen within ten seconds")
