"""Who is gone, as a rebuild writes it while members are hidden and brought back."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from apps.common import gone, online
from apps.common.valkey import writing_client
from apps.interactions import rebuild
from apps.members.models import Member
from apps.members.services import stop_member, unstop_member
from apps.places.models import Place
from apps.places.services import delete_place, stop_place, unstop_place
from tests.interactions.world import bar, people

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online, "LEASE_SECONDS", 0)
    monkeypatch.setattr(online, "MARGIN_SECONDS", 0)


def is_gone(kind: str, number: int) -> bool:
    return bool(writing_client().sismember(online.GONE[kind], str(number)))


def test_an_older_back_that_arrives_after_a_rebuild_brings_nobody_back() -> None:
    ann = people("ann")["ann"]
    stop_member("ann")
    unstop_member("ann")
    before = Member.objects.get(number=ann).version
    stop_member("ann")
    assert rebuild.rebuild()
    gone.say_back(writing_client(), "member", {ann: before})
    assert is_gone("member", ann)
    unstop_member("ann")
    assert not is_gone("member", ann)


def test_who_is_brought_back_while_the_gone_are_written_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    bar()
    ann, place = people("ann")["ann"], Place.objects.get().number
    stop_member("ann")
    stop_place("bar")
    real = rebuild._batches

    def batches(sql: str) -> Iterator[Sequence[Any]]:
        found = list(real(sql))
        if "members_member" in sql:
            unstop_member("ann")
        if "places_place" in sql:
            unstop_place("bar")
        yield from found

    monkeypatch.setattr(rebuild, "_batches", batches)
    assert rebuild.rebuild()
    assert not is_gone("member", ann)
    assert not is_gone("place", place)


def test_what_was_deleted_is_gone_for_good() -> None:
    bar()
    place = Place.objects.get().number
    delete_place("bar")
    assert rebuild.rebuild()
    gone.say_back(writing_client(), "place", {place: 20_000_000_000})
    assert is_gone("place", place)
