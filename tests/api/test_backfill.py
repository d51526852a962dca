"""History over the API: the same checks, a scope of its own, and no effect on what came later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.common import online
from apps.common.clock import now
from apps.common.valkey import writing_client
from apps.interactions.models import Event
from tests.interactions.world import people, relationships

pytestmark = pytest.mark.django_db


def said(
    kind: str, *, days: float, actor: str = "ann", target: str = "bob", number: int = 1
) -> dict[str, str]:
    at = (now() - timedelta(days=days)).isoformat()
    about = {"type": kind, "actor": actor, "target": target, "surface": "dating", "occurred_at": at}
    return {"id": f"00000000-0000-4000-8000-{number:012}", **about}


def statuses(answer):
    return [(result["status"], result["code"]) for result in answer.json()["results"]]


def test_old_events_need_the_route_and_its_scope(caller_with):
    n = people("ann", "bob")
    old = [said("like", days=400)]
    assert statuses(caller_with("events:write")("POST /events", old)) == [("rejected", "too_old")]
    refused = caller_with("events:write")("POST /events/backfill", old)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert not Event.objects.exists()
    allowed = caller_with("events:backfill")
    assert statuses(allowed("POST /events/backfill", old)) == [("accepted", None)]
    assert statuses(allowed("POST /events/backfill", old)) == [("duplicate", None)]
    assert relationships() == {(n["ann"], n["bob"], "dating"): "liked"}


def test_history_is_checked_as_anything_else(caller_with):
    people("ann", "bob")
    rows = [said("like", days=400, target="nobody"), said("like", days=-1, number=2), {"id": "x"}]
    answer = caller_with("events:backfill")("POST /events/backfill", rows)
    assert statuses(answer) == [
        ("rejected", "unknown_target"),
        ("rejected", "in_future"),
        ("rejected", "invalid_uuid"),
    ]


def test_what_happened_later_still_counts_and_old_sights_hold_nobody_back(caller_with):
    n = people("ann", "bob", "cat")
    caller_with("events:write")("POST /events", [said("pass", days=1)])
    history = [
        said("like", days=300, number=2),
        said("impression", days=300, target="cat", number=3),
        said("impression", days=40, target="bob", number=4),
    ]
    answer = caller_with("events:backfill")("POST /events/backfill", history)
    assert statuses(answer) == [("accepted", None)] * 3
    assert relationships() == {(n["ann"], n["bob"], "dating"): "passed"}
    seen = online.read_records(writing_client().get(online.seen_key("dating", n["ann"])))
    assert [int(record["number"]) for record in seen] == [n["bob"]]
