"""What is told event by event is what a rebuild writes: after any history, in any order of arrival."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.common import clock, online
from apps.common.valkey import writing_client
from apps.interactions import rebuild
from apps.interactions.bodies import EventBody
from apps.interactions.signals import LIVE
from apps.pipeline.signals import LESS
from tests.interactions.world import event, people, send, undo

NAMES = ("ann", "bob", "cat")
TYPES = (
    "like", "pass", "match", "unmatch", "block", "unblock", "report", "impression", "like_read", "feedback",
)  # fmt: skip
AGES = tuple(timedelta(days=days, hours=1) for days in (0, 0, 0, 2, 5, 20, 80, 100, 300))
Batches = list[list[EventBody]]


@st.composite
def histories(draw: st.DrawFn) -> Batches:
    """Events of today and of long ago with undos; shuffled, repeated and cut into batches."""
    events: list[EventBody] = []
    for i in range(draw(st.integers(1, 14))):
        actor, target = draw(st.sampled_from([(a, b) for a in NAMES for b in NAMES if a != b]))
        at = clock.now() - draw(st.sampled_from(AGES)) + timedelta(minutes=draw(st.integers(0, 4)))
        said: dict[str, Any] = {"id": str(UUID(int=i + 1 << 80)), "occurred_at": at}
        kind = draw(st.sampled_from(TYPES))
        if kind == "feedback":
            said["context"] = {"reason": draw(st.sampled_from(sorted(LESS)))}
        made = event(kind, actor, target, **said)
        events.append(made)
        if draw(st.booleans()) and kind in ("like", "pass", "match", "unmatch", "feedback"):
            taken_back = {"id": UUID(int=i + 1 << 100), "occurred_at": at + timedelta(minutes=2)}
            events.append(undo(made).model_copy(update=taken_back))
    shuffled = draw(st.permutations(events + draw(st.lists(st.sampled_from(events), max_size=4))))
    size = draw(st.integers(1, len(shuffled)))
    return [shuffled[i : i + size] for i in range(0, len(shuffled), size)]


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories())
def test_the_online_state_is_what_a_rebuild_writes(batches: Batches) -> None:
    people(*NAMES)
    client = writing_client()
    client.flushdb()
    with transaction.atomic():
        for batch in batches:
            send(*batch, now=clock.now(), backfill=True)
        told = _held()
        rebuild._clear(client)
        rebuild._write_all(client, client)
        rebuilt = _held()
        transaction.set_rollback(True)
    assert told == rebuilt


def _held() -> dict[str, Any]:
    """All that counts of what the keys hold: not how it is ordered, nor what it says of nothing."""
    held = {
        key.decode(): read(writing_client().get(key) or b"")
        for key in writing_client().keys("o:*")
        for prefix, read in READ.items()
        if key.decode().startswith(prefix)
    }
    return {key: said for key, said in held.items() if said}


def _records(data: bytes) -> dict[tuple[int, int], int]:
    found = np.frombuffer(data, online.RECORD)
    return {(int(r["number"]), int(r["slot"])): int(r["state"]) for r in found if r["state"]}


def _decisions(data: bytes) -> dict[int, tuple[int, float]]:
    found = np.frombuffer(data, online.DECISION)
    return {int(r["number"]): (int(r["state"]), float(r["at"])) for r in found if r["state"]}


def _less(data: bytes) -> set[tuple[int, ...]]:
    found = np.frombuffer(data, online.LESS)
    fields = ("event", "number", "surface", "reason")
    return {tuple(int(r[name]) for name in fields) for r in found if r["state"] == LIVE}


READ: dict[str, Callable[[bytes], Any]] = {
    "o:g:": _records,
    "o:a:": _records,
    "o:l:": _records,
    "o:s:": _records,
    "o:t:": _decisions,
    "o:f:": _less,
    "o:active": lambda data: np.frombuffer(data, "<i4").nonzero()[0].tolist(),
    "o:unread:": lambda data: data.rstrip(b"\0"),
}
