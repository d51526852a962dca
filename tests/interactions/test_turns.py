"""A rebuild that lost its lock takes nothing away from the one that came after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from apps.common import clock, online
from apps.common.valkey import background_client
from apps.interactions import rebuild, refill
from apps.interactions.turns import Turn, TurnIsOver
from apps.members.services import stop_member
from tests.interactions.grants import counted, grant, order
from tests.interactions.world import event, people, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def n(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    monkeypatch.setattr(online, "LEASE_SECONDS", 0)
    monkeypatch.setattr(online, "MARGIN_SECONDS", 0)
    numbers = people("ann", "bob", "cat")
    assert rebuild.rebuild()
    return numbers


def overtaken(patch: pytest.MonkeyPatch, where: Any, step: str, meanwhile: Callable[[], Any]) -> None:
    """Before this step of a rebuild another one, from its begin to its end, and then something else.

    The lock is one session's, which may take it again: as if the first had lost it.
    """
    real = getattr(where, step)

    def first(*given: Any) -> None:
        patch.setattr(where, step, real)
        assert rebuild.rebuild()
        meanwhile()
        with pytest.raises(TurnIsOver):
            real(*given)
        raise TurnIsOver

    patch.setattr(where, step, first)


def test_it_empties_nothing(n: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    send(event("block", "ann", "bob", occurred_at=clock.now()), now=clock.now())
    stop_member("cat")
    overtaken(monkeypatch, rebuild, "_clear", lambda: None)
    assert not rebuild.rebuild()
    belief, client = online.current_belief(), background_client()
    assert belief.trusted
    assert online.marker(client) == belief.generation
    assert client.sismember(online.GONE["member"], str(n["cat"]))
    assert client.exists(online.global_key(n["ann"]), online.global_key(n["bob"])) == 2


def test_it_sets_no_counter_back(n: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    now, bob = clock.now(), n["bob"]
    assert grant(order(n["ann"], [bob], now, cap=2)) == [bob]
    overtaken(
        monkeypatch, refill, "write_exposures", lambda: grant(order(n["cat"], [bob], now, cap=2)) == [bob]
    )
    assert not rebuild.rebuild()
    assert online.current_belief().trusted
    assert counted(bob) == 2


def test_nothing_is_believed_when_somebody_takes_the_turn_late(n: dict[str, int]) -> None:
    client = background_client()
    first, second = Turn(client), Turn(client)
    second.begin()
    second.set(online.MARKER, 7)
    first.begin()
    assert online.marker(client) == -1
    with pytest.raises(TurnIsOver):
        second.set(online.MARKER, 7)
    assert online.marker(client) == -1


def test_what_was_on_its_way_when_the_turn_ended_is_refused(
    n: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = background_client()
    client.set("o:c:dating", "counters")
    late, other = Turn(client), Turn(client)
    late.begin()
    real = redis.client.Pipeline.multi

    def multi(pipeline: Any) -> None:
        other.begin()
        real(pipeline)

    monkeypatch.setattr(redis.client.Pipeline, "multi", multi)
    with pytest.raises(TurnIsOver):
        late.unlink("o:c:dating")
    assert client.get("o:c:dating") == b"counters"
