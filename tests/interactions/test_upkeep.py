"""Months are there before they are needed, and go when the policy says so, but no decision goes along."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.conf import settings as live
from django.db import connections

from apps.interactions import services
from apps.interactions.models import Event, EventKey, KeptFact
from apps.interactions.partitions import ensure_partitions
from apps.interactions.retention import kept_since
from apps.interactions.tasks import keep_months_task
from apps.interactions.upkeep import keep_months, months_before
from tests.interactions.world import NOW, event, people, refusals, relationships, send, undo

pytestmark = pytest.mark.django_db
POLICY = {"interactions_event": 9, "interactions_delivery": 2}
LONG_AGO = -60 * 24 * 400  # minutes: May 2025


def months(table: str = "interactions_event") -> set[str]:
    return {name[-7:] for name in months_before(table, datetime(9998, 1, 1, tzinfo=UTC))}


@pytest.mark.parametrize("table", ["interactions_event", "interactions_delivery"])
def test_this_month_and_two_more_are_made_ahead_over_the_end_of_a_year(table: str) -> None:
    assert keep_months(datetime(2031, 11, 30, 23, 59, tzinfo=UTC), {}) == []
    assert {"2031_11", "2031_12", "2032_01"} <= months(table)


def test_without_a_policy_nothing_is_dropped() -> None:
    people("ann", "bob")
    send(event("like", "ann", "bob", minute=LONG_AGO), backfill=True)
    assert keep_months(NOW, {"interactions_event": 0}) == []
    assert Event.objects.count() == 1


def test_months_before_those_that_are_kept_go_with_their_ids() -> None:
    people("ann", "bob")
    old, young = event("profile_view", "ann", "bob", minute=LONG_AGO), event("profile_view", "ann", "bob")
    send(old, young, backfill=True)
    assert "interactions_event_2025_05" in keep_months(NOW, POLICY)
    assert min(months()) >= "2025_09"
    assert list(Event.objects.values_list("id", flat=True)) == [young.id]
    assert list(EventKey.objects.values_list("id", flat=True)) == [young.id]
    assert keep_months(NOW, POLICY) == []


def test_a_block_and_a_like_outlive_their_month_and_can_still_be_taken_back() -> None:
    n = people("ann", "bob")
    like = event("like", "ann", "bob", minute=LONG_AGO)
    send(like, event("block", "bob", "ann", minute=LONG_AGO), backfill=True)
    keep_months(NOW, POLICY)
    assert not Event.objects.exists()
    send(event("pass", "bob", "ann"))
    assert relationships() == {
        (n["ann"], n["bob"], "dating"): "liked",
        (n["bob"], n["ann"], "dating"): "passed",
        (n["bob"], n["ann"], ""): "blocked",
    }
    send(undo(like), event("unblock", "bob", "ann"))
    assert relationships() == {(n["bob"], n["ann"], "dating"): "passed"}
    assert KeptFact.objects.count() == 4


def test_what_was_dropped_is_not_taken_again_by_any_way() -> None:
    """Its id is forgotten: it would be stored a second time."""
    people("ann", "bob")
    old = event("like", "ann", "bob", minute=LONG_AGO)
    send(old, backfill=True)
    keep_months(NOW, POLICY)
    assert refusals(old, backfill=True) == [("too_old", "occurred_at")]
    assert "2025_05" not in months()
    assert keep_months(NOW, {"interactions_event": 24}) == []
    assert kept_since("interactions_event") == datetime(2025, 9, 1, tzinfo=UTC), "it moved back"


def test_a_batch_that_looked_before_its_month_was_closed_stores_nothing_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people("ann", "bob")

    def closed_meanwhile(table: str, times: set[datetime]) -> None:
        ensure_partitions(table, times)
        keep_months(NOW, POLICY)

    monkeypatch.setattr(services, "ensure_partitions", closed_meanwhile)
    old, young = event("like", "ann", "bob", minute=LONG_AGO), event("pass", "bob", "ann")
    results = send(old, young, backfill=True)
    assert [result.code for result in results] == ["too_old", None]
    assert Event.objects.get().id == young.id


def test_a_policy_that_would_drop_what_lists_still_need_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 9 months"):
        keep_months(NOW, {"interactions_event": 8})


@pytest.mark.django_db(transaction=True)
def test_a_month_that_somebody_reads_is_dropped_the_next_time() -> None:
    ensure_partitions("interactions_event", [datetime(2019, 3, 1, tzinfo=UTC)])
    reader = connections.create_connection("default")
    try:
        reader.set_autocommit(False)
        with reader.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM interactions_event_2019_03")
        assert "interactions_event_2019_03" not in keep_months(NOW, POLICY)
        assert "2019_03" in months()
    finally:
        reader.close()
    assert "interactions_event_2019_03" in keep_months(NOW, POLICY)


def test_beat_makes_them_and_by_default_keeps_all() -> None:
    assert set(live.KEPT_MONTHS.values()) == {0}
    assert keep_months_task() == 0
