"""The count of who was shown too often: from Postgres alone, by hand on one candidate with a cap of three."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils.timezone import now

from apps.delivery.overshoot import check_caps, highest_cap, last_check, overshot
from apps.interactions.models import Delivery, Event
from apps.interactions.partitions import ensure_partitions
from apps.policies.schema import default_content
from apps.releases import services
from apps.releases.selectors import live_release

pytestmark = pytest.mark.django_db
SHOWN = 7


def cap_of(daily: int) -> int:
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, draft.version, {"dating.daily_cap": daily})
    services.publish_revision(draft, actor=None, note="")
    return live_release().number


def show(release: int, *, to: int, minutes_ago: float, seen_after: float | None = None) -> None:
    """One list with the candidate in it, and their impression some minutes later."""
    at = now() - timedelta(minutes=minutes_ago)
    ensure_partitions("interactions_delivery", [at])
    Delivery.objects.create(
        id=uuid4(), served_at=at, viewer=to, surface="dating", release=release, snapshot="s", seed=1,
        requested=1, candidates=[SHOWN], scores=[1.0], propensities=[1.0], sources=[1],
    )  # fmt: skip
    if seen_after is not None:
        seen = at + timedelta(minutes=seen_after)
        ensure_partitions("interactions_event", [seen])
        Event.objects.create(
            id=uuid4(), type="impression", actor=to, target=SHOWN, target_kind="member", surface="dating",
            occurred_at=seen, received_at=seen,
        )  # fmt: skip


def test_as_often_as_the_cap_allows_is_no_overshoot_and_once_more_is() -> None:
    release = cap_of(3)
    for viewer in range(3):
        show(release, to=viewer, minutes_ago=1)
    assert overshot() == 0
    show(release, to=3, minutes_ago=1)
    assert overshot() == 1


def test_only_what_was_seen_in_time_or_may_still_be_counts() -> None:
    release = cap_of(3)
    for viewer, seen_after in enumerate((1, 2, 3, None, 11)):
        show(release, to=viewer, minutes_ago=60, seen_after=seen_after)
    assert overshot() == 0
    show(release, to=9, minutes_ago=1440.5, seen_after=1)
    assert overshot() == 0, "over 24 hours ago"
    show(release, to=10, minutes_ago=1430, seen_after=1)
    assert overshot() == 1


def test_the_highest_cap_of_the_releases_counts_and_without_a_cap_nothing_is_too_often() -> None:
    low, high = default_content(), default_content()
    low["surfaces"]["dating"]["daily_cap"], high["surfaces"]["dating"]["daily_cap"] = 3, 9
    assert highest_cap([low, high], "dating") == 9
    high["surfaces"]["dating"]["markets"] = {"london": {"daily_cap": 0}}
    assert highest_cap([low, high], "dating") == 0


def test_the_last_count_is_told_with_its_time() -> None:
    assert last_check() is None
    release = cap_of(1)
    show(release, to=1, minutes_ago=1)
    show(release, to=2, minutes_ago=1)
    assert check_caps() == 1
    told = last_check()
    assert told is not None
    assert told[0] == 1
    assert abs(told[1] - now().timestamp()) < 5
