"""Whoever a call hides, removes or erases is in nobody's list once it is answered, one by one or in bulk.

With Valkey: its guard has them. Without: Postgres says that it misses something, and the answer waits until
no web process can still believe it.
"""

from __future__ import annotations

from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.common import online
from apps.common.models import OnlineState
from apps.common.valkey import writing_client
from apps.members.models import Member
from apps.places.models import Place
from tests.api.conftest import Caller
from tests.interactions.world import bar, people, place, profile

pytestmark = pytest.mark.django_db
CALLS: dict[str, tuple[str, Any]] = {
    "a hidden place": ("PUT /places/bar", place(visibility="hidden")),
    "a hidden place among others": ("POST /places/bulk", [{"id": "bar", **place(visibility="hidden")}]),
    "a removed place": ("DELETE /places/bar", None),
    "a hidden member": ("PATCH /members/ann", {"visibility": "hidden"}),
    "a paused member": ("PUT /members/ann", profile(status="paused")),
    "a hidden member among others": ("POST /members/bulk", [{"id": "ann", **profile(visibility="hidden")}]),
    "an erased member": ("DELETE /members/ann", None),
}


@pytest.fixture
def about() -> dict[str, int]:
    """Numbers of whom the calls are about, who are shown before."""
    bar()
    return {
        "place": Place.objects.values_list("number", flat=True).get(external_id="bar"),
        "member": people("ann")["ann"],
    }


def shown(kind: str, number: int) -> bool:
    rows = Place.objects if kind == "place" else Member.objects
    found = rows.filter(number=number, visibility="visible")
    return (found if kind == "place" else found.filter(status="active")).exists()


@pytest.mark.parametrize("name", CALLS)
def test_the_guard_has_them_when_the_call_is_answered(call: Caller, about: dict[str, int], name: str) -> None:
    kind = "place" if "place" in name else "member"
    assert not writing_client().sismember(online.GONE[kind], about[kind])
    assert call(*CALLS[name]).status_code < 300
    assert writing_client().sismember(online.GONE[kind], about[kind])


@pytest.mark.parametrize("name", CALLS)
def test_without_valkey_the_answer_waits_for_all_who_believe_it(
    call: Caller, about: dict[str, int], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, waited = "place" if "place" in name else "member", []
    nobody = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.1, retry=Retry(NoBackoff(), 0))
    OnlineState.objects.update_or_create(id=1, defaults={"generation": 1, "trusted": True})
    monkeypatch.setattr(online, "writing_client", lambda: nobody)
    monkeypatch.setattr(
        online,
        "wait_for_leases",
        lambda: waited.append((online.current_belief().trusted, shown(kind, about[kind]))),
    )
    assert call(*CALLS[name]).status_code < 300
    assert waited
    assert waited[0] == (False, False), "waited before it was committed and Valkey no longer believed"
