"""The same events give the same relationships, in whatever order and batches they arrive."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.common import clock
from apps.interactions.bodies import EventBody
from apps.interactions.relationships import Bond, Fact, decide
from tests.interactions.world import NOW, event, people, relationships, send, undo

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PAIR = Bond(1, 2, "member", "dating")
EVERYWHERE = Bond(1, 2, "member", "")
TYPES = ("like", "pass", "match", "unmatch", "block", "unblock", "report", "message", "impression")


def fact(type_: str, actor: int, minute: int, number: int = 0) -> Fact:
    return Fact(T0 + timedelta(minutes=minute), UUID(int=number or minute), type_, actor)


def states(bond: Bond, *facts: Fact) -> dict[tuple[int, int], str]:
    return {pair: decision.state for pair, decision in decide(bond, facts).items()}


def test_the_later_word_counts_not_the_later_arrival() -> None:
    like, passed = fact("like", 1, 1), fact("pass", 1, 2)
    assert states(PAIR, passed, like) == states(PAIR, like, passed) == {(1, 2): "passed"}


def test_at_the_same_moment_the_higher_id_is_the_later_one() -> None:
    assert states(PAIR, fact("like", 1, 1, number=9), fact("pass", 1, 1, number=8)) == {(1, 2): "liked"}


def test_a_match_dates_from_the_later_like() -> None:
    decided = decide(PAIR, [fact("like", 2, 5), fact("like", 1, 3)])
    assert {decision.at for decision in decided.values()} == {T0 + timedelta(minutes=5)}


def test_a_report_outlives_a_later_block_and_unblock() -> None:
    facts = [fact("report", 1, 1), fact("block", 1, 2), fact("unblock", 1, 3)]
    assert states(EVERYWHERE, *facts) == {(1, 2): "reported"}


def test_an_unblock_lifts_only_ones_own_block() -> None:
    assert states(EVERYWHERE, fact("block", 1, 1), fact("unblock", 2, 2)) == {(1, 2): "blocked"}


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "state"), [("block", "blocked"), ("report", "reported")])
@pytest.mark.parametrize("order", ["undo, it", "it, undo", "undo+it", "it+undo"])
def test_no_undo_lifts_a_block_or_a_report_whichever_comes_first(kind: str, state: str, order: str) -> None:
    numbers = people("ann", "bob")
    it = event(kind, "ann", "bob")
    sent = {"it": it, "undo": undo(it)}
    for batch in order.split(", "):
        send(*(sent[name] for name in batch.split("+")))
    assert relationships() == {(numbers["ann"], numbers["bob"], ""): state}


@pytest.mark.django_db
@pytest.mark.parametrize("slow", [0, 4], ids=["web in time", "web four minutes behind"])
def test_a_word_from_a_fast_clock_counts_from_when_it_came(slow: int) -> None:
    """Whatever the clock of the web process says that takes the later word."""
    numbers, now = people("ann", "bob"), clock.now()
    ahead, behind = now + timedelta(minutes=4), now - timedelta(minutes=slow)
    send(event("block", "ann", "bob", occurred_at=now - timedelta(hours=1)), now=now)
    send(event("unblock", "ann", "bob", occurred_at=ahead), now=now)
    (result,) = send(event("block", "ann", "bob", occurred_at=clock.now()), now=behind)
    assert result.status == "accepted"
    assert relationships() == {(numbers["ann"], numbers["bob"], ""): "blocked"}


@pytest.mark.django_db
def test_words_of_a_fast_clock_in_one_batch_count_in_the_order_in_which_they_were_said() -> None:
    numbers, now = people("ann", "bob"), clock.now()
    said = [now + timedelta(minutes=3, seconds=seconds) for seconds in (0, 2, 4)]
    types, ids = ("block", "unblock", "block"), ("1", "f", "2")  # by the ids the unblock came last
    batch = [
        event(kind, "ann", "bob", id=digit + str(UUID(int=0))[1:], occurred_at=at)
        for kind, digit, at in zip(types, ids, said, strict=True)
    ]
    assert [result.status for result in send(*batch, now=now)] == ["accepted"] * 3
    assert relationships() == {(numbers["ann"], numbers["bob"], ""): "blocked"}


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[EventBody], list[list[EventBody]]]:
    """Events among three people with undos, and the same ones shuffled, repeated and cut into batches."""
    names = ("ann", "bob", "cat")
    events: list[EventBody] = []
    for i in range(draw(st.integers(2, 12))):
        actor, target = draw(st.sampled_from([(a, b) for a in names for b in names if a != b]))
        minute = draw(st.integers(0, 4))  # ties on purpose
        made = event(draw(st.sampled_from(TYPES)), actor, target, minute=minute, id=str(UUID(int=i + 1)))
        events.append(made)
        if draw(st.booleans()):  # also of a block, which nothing takes back but an unblock
            by = draw(st.sampled_from([actor, actor, target]))  # somebody else's undo must not count
            events.append(
                undo(made, actor=by, minute=minute + 1).model_copy(update={"id": UUID(int=i + 100)})
            )
    shuffled = draw(st.permutations(events + draw(st.lists(st.sampled_from(events), max_size=4))))
    size = draw(st.integers(1, len(shuffled)))
    return events, [shuffled[i : i + size] for i in range(0, len(shuffled), size)]


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories())
def test_any_order_of_arrival_gives_the_same_relationships(
    history: tuple[list[EventBody], list[list[EventBody]]],
) -> None:
    in_order, batches = history
    people("ann", "bob", "cat")
    assert _outcome([in_order]) == _outcome(batches)


def _outcome(batches: list[list[EventBody]]) -> dict[tuple[int, int, str], str]:
    """What the batches amount to; nothing of them stays."""
    with transaction.atomic():
        for batch in batches:
            send(*batch, now=NOW)
        found = relationships()
        transaction.set_rollback(True)
    return found
