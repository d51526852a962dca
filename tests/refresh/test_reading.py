"""What came of matches, and who was active when, as the refresh reads it of Postgres."""

from datetime import timedelta
from uuid import uuid4

import pytest

from apps.common import clock
from apps.interactions.models import Event, KeptFact
from apps.interactions.partitions import ensure_partitions
from apps.members.models import Member
from apps.refresh import reading
from tests.refresh.rows import decide, make_market, make_member

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def ada_and_bob() -> tuple[Member, Member]:
    london = make_market()
    return make_member("ada", london), make_member("bob", london)


def match(a: Member, b: Member, *, days_ago: int, state: str = "matched") -> None:
    decide(a, b, state, days_ago=days_ago)
    decide(b, a, state, days_ago=days_ago)


def happens(type_: str, actor: Member, target: Member, *, hours_ago: float, surface: str = "dating") -> None:
    at = clock.now() - hours_ago * HOUR
    ensure_partitions("interactions_event", [at])
    Event.objects.create(
        id=uuid4(), type=type_, actor=actor.number, target=target.number, target_kind="member",
        surface=surface, occurred_at=at, received_at=at,
    )  # fmt: skip


def likes(actor: Member, target: Member, *, days_ago: int, surface: str = "dating") -> None:
    low, high = sorted((actor.number, target.number))
    KeptFact.objects.create(
        id=uuid4(), type="like", actor=actor.number, a=low, b=high, kind="member", surface=surface,
        occurred_at=clock.now() - timedelta(days=days_ago),
    )  # fmt: skip


def decided_days_ago() -> dict[int, int]:
    until = clock.now()
    found = reading.decisions_on("dating", "member", until)
    ages = (until.timestamp() - found["at"]) / 86400
    return {actor: round(age) for actor, age in zip(found["actor"].tolist(), ages.tolist(), strict=True)}


@pytest.mark.parametrize("state", ["matched", "unmatched"])
def test_two_who_matched_decided_each_at_their_own_like(
    ada_and_bob: tuple[Member, Member], state: str
) -> None:
    """The pair's rows say when they matched, which is when Bob liked back; a like elsewhere or of somebody
    else is not this one."""
    ada, bob = ada_and_bob
    match(ada, bob, days_ago=4, state=state)
    likes(ada, bob, days_ago=9)
    likes(bob, ada, days_ago=4)
    likes(ada, bob, days_ago=7, surface="networking")
    likes(ada, make_member("cy"), days_ago=6)
    likes(ada, bob, days_ago=1)  # after they unmatched, or came to nothing
    assert decided_days_ago() == {ada.number: 9, bob.number: 4}


def test_of_a_match_whose_likes_are_not_kept_the_match_is_the_moment(
    ada_and_bob: tuple[Member, Member],
) -> None:
    match(*ada_and_bob, days_ago=4)
    assert set(decided_days_ago().values()) == {4}


def answers() -> list[tuple[int, int, int]]:
    found = reading.answers_on("dating", clock.now())
    return list(zip(*(found[name].tolist() for name in ("actor", "target", "replied")), strict=True))


@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize(
    ("type_", "hours_after", "surface", "replied"),
    [
        ("reply", 1, "dating", 1),
        ("reply", 71, "dating", 1),
        ("reply", 73, "dating", 0),
        ("reply", -1, "dating", 0),
        ("message", 1, "dating", 0),
        ("reply", 1, "networking", 0),
    ],
)
def test_a_match_is_answered_by_a_reply_of_either_within_72_hours(
    ada_and_bob: tuple[Member, Member], by: int, type_: str, hours_after: int, surface: str, replied: int
) -> None:
    ada, bob = ada_and_bob
    match(ada, bob, days_ago=10)
    happens(type_, ada_and_bob[by], ada_and_bob[1 - by], hours_ago=240 - hours_after, surface=surface)
    first, second = sorted((ada.number, bob.number))
    assert answers() == [(first, second, replied)]


def test_a_match_younger_than_72_hours_and_one_that_ended_are_left_out(
    ada_and_bob: tuple[Member, Member],
) -> None:
    ada, bob = ada_and_bob
    match(ada, bob, days_ago=2)
    happens("reply", ada, bob, hours_ago=40)
    match(ada, make_member("cy"), days_ago=10, state="unmatched")
    assert answers() == []


def test_each_active_day_comes_once_and_being_shown_is_not_activity(
    ada_and_bob: tuple[Member, Member],
) -> None:
    ada, bob = ada_and_bob
    for hours in (100.0, 100.001, 200.0):
        happens("like", ada, bob, hours_ago=hours)
    happens("impression", bob, ada, hours_ago=100)
    happens("like", bob, ada, hours_ago=24 * 95)
    found = reading.active_days(clock.now())
    days = {int((clock.now() - hours * HOUR).timestamp() // 86400) for hours in (100, 200)}
    assert set(found["actor"].tolist()) == {ada.number}
    assert set(found["day"].tolist()) <= days | {max(days) + 1, max(days) - 1}
    assert len(found["day"]) == len(set(found["day"].tolist()))
