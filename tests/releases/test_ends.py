"""A release that ends by itself: what comes back, when nothing does, and who may move or cancel its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import time_machine

from apps.common.clock import now
from apps.common.errors import Conflict, Denied, Problem
from apps.common.models import AuditEntry
from apps.releases import services
from apps.releases.models import Emergency, Notice, Release, ReleaseEnd, Revision
from apps.releases.selectors import live
from tests.releases.people import a_draft, an_approver, an_editor

pytestmark = pytest.mark.django_db


def after(hours: float) -> datetime:
    return now() + timedelta(hours=hours)


def published(hours: float | None = 2, **how: bool) -> Release:
    """By an approver, of what an editor wrote, with an end in so many hours."""
    draft = a_draft(an_editor(), daily_cap=Release.objects.count() + 1)
    ends_at = None if hours is None else after(hours)
    return services.publish_revision(draft, actor=an_approver(), note="Until then", ends_at=ends_at, **how)


def ended_at(hours: float) -> int:
    """How many ended by a clock that comes so many hours from now; twice, as two beats do."""
    with time_machine.travel(after(hours)):
        done = services.end_due()
        assert services.end_due() == 0
    return done


def by_schedule() -> Release:
    draft = a_draft(an_editor())
    services.schedule_revision(draft, actor=an_approver(), at=after(1), ends_at=after(2), note="")
    with time_machine.travel(after(1)):
        assert services.publish_due() == 1
    return Release.objects.get(number=2)


@pytest.mark.parametrize(
    "publish",
    [published, by_schedule, lambda: published(emergency=True), lambda: published(staged=True)],
    ids=["now", "scheduled", "emergency", "in stages"],
)
def test_at_its_end_the_release_before_comes_back_and_approvers_are_told(publish: Callable[[], Release]):
    release = publish()
    assert ended_at(1.9) == 0
    assert release.number in (live().stable_number, live().candidate_number)
    assert ended_at(2.1) == 1
    assert (live().stable_number, live().candidate_number) == (1, None)
    end = ReleaseEnd.objects.get()
    assert (end.status, end.said) == ("ended", "Release 2 ended; release 1 came back by itself.")
    entry = AuditEntry.objects.get(action="release.ended")
    assert (entry.actor, entry.subject, entry.after["live"]) == (None, "release 1", 1)
    assert Notice.objects.get(key="ended 2").permission == services.PUBLISH


def test_a_whole_rollout_keeps_the_end_that_it_began_with():
    published(staged=True)
    for _ in range(4):
        services.step_up(actor=None)
    assert live().stable_number == 2
    assert ended_at(3) == 1
    assert live().stable_number == 1


def test_an_emergency_with_an_end_is_still_to_be_reviewed_after_it():
    published(emergency=True)
    ended_at(3)
    assert Emergency.objects.get().reviewed_at is None


def went_live_meanwhile() -> str:
    published(None)
    return "Release 3 was live meanwhile: the end of release 2 did nothing."


def is_rolled_out() -> str:
    published(None, staged=True)
    return "Release 3 was being rolled out: the end of release 2 did nothing."


def was_rolled_back() -> str:
    services.roll_back(Release.objects.get(number=1), actor=an_approver(), note="")
    return "Release 1 was live already: the end of release 2 did nothing."


@pytest.mark.parametrize(
    ("meanwhile", "is_told"), [(went_live_meanwhile, True), (is_rolled_out, True), (was_rolled_back, False)]
)
def test_an_end_that_was_overtaken_does_nothing_and_says_so(meanwhile: Callable[[], str], is_told: bool):
    published()
    said, before = meanwhile(), live()
    assert ended_at(3) == 0
    assert live() == before
    end = ReleaseEnd.objects.get()
    assert (end.status, end.said) == ("missed", said)
    assert AuditEntry.objects.get(action="release.end_missed").after == {"why": said}
    assert Notice.objects.filter(key="end missed 2", body=said).exists() == is_told


def test_a_release_that_was_made_live_again_ends_at_its_time():
    first = published()
    published(None)
    services.roll_back(first, actor=an_approver(), note="")
    assert ended_at(3) == 1
    assert live().stable_number == 1


def test_a_release_whose_end_came_meanwhile_does_not_come_back():
    published(2)
    published(4)
    assert ended_at(3) == 0
    assert live().stable_number == 3
    assert ended_at(5) == 1
    assert live().stable_number == 1


def test_of_two_ends_that_a_late_clock_finds_none_brings_back_the_other():
    published(2)
    published(4)
    assert ended_at(5) == 1
    assert live().stable_number == 1


def test_what_follows_at_the_same_minute_goes_live_and_the_end_has_nothing_to_do(monkeypatch):
    from apps.delivery.tasks import publish_due_task

    published(2)
    draft = a_draft(an_editor(), diversity=0.7)
    services.schedule_revision(draft, actor=an_approver(), at=after(2), note="")
    with time_machine.travel(after(3)):
        assert publish_due_task() == 1
    assert (live().stable_number, ReleaseEnd.objects.get().status) == (3, "missed")


def test_an_end_is_moved_and_cancelled_by_approvers_and_each_is_in_the_trail():
    release = published(2)
    seen = ReleaseEnd.objects.get().at
    with pytest.raises(Denied):
        services.move_end(release, actor=an_editor(), at=after(9), seen=seen)
    with pytest.raises(Denied):
        services.cancel_end(release, actor=an_editor(), seen=seen)
    moved = services.move_end(release, actor=an_approver(), at=after(5), seen=seen)
    assert ended_at(3) == 0
    services.cancel_end(release, actor=an_approver(), seen=moved.at)
    assert ended_at(6) == 0
    assert (live().stable_number, ReleaseEnd.objects.get().status) == (2, "cancelled")
    acts = AuditEntry.objects.filter(subject="release 2", action__startswith="release.end").order_by("id")
    assert [(act.action, act.actor.username) for act in acts] == [
        ("release.end_given", "ann"), ("release.end_moved", "ann"), ("release.end_cancelled", "ann"),
    ]  # fmt: skip


def test_whoever_saw_another_end_moves_and_cancels_nothing():
    release = published(2)
    seen = ReleaseEnd.objects.get().at
    services.move_end(release, actor=an_approver(), at=after(5), seen=seen)
    for act in (services.cancel_end, lambda *a, **k: services.move_end(*a, at=after(7), **k)):
        with pytest.raises(Conflict, match="was moved to") as refusal:
            act(release, actor=an_approver("bea"), seen=seen)
        assert refusal.value.code == "end_changed"
    ended_at(6)
    with pytest.raises(Conflict, match="no end that waits"):
        services.cancel_end(release, actor=an_approver(), seen=ReleaseEnd.objects.get().at)


@pytest.mark.parametrize(("hours", "code"), [(-1, "end_before_start"), (24 * 367, "end_too_late")])
def test_an_end_is_within_a_year_after_the_start(hours: float, code: str):
    draft = a_draft(an_editor())
    for act in (
        lambda: services.publish_revision(draft, actor=an_approver(), note="", ends_at=after(hours)),
        lambda: services.schedule_revision(
            draft, actor=an_approver(), note="", at=after(1), ends_at=after(hours + 1)
        ),
    ):
        with pytest.raises(Problem) as refusal:
            act()
        assert (refusal.value.code, refusal.value.field) == (code, "ends_at")
    assert (live().stable_number, Release.objects.count()) == (1, 1)


def test_a_clock_that_comes_after_the_end_does_not_publish_at_all():
    draft = a_draft(an_editor())
    services.schedule_revision(draft, actor=an_approver(), at=after(1), ends_at=after(2), note="")
    with time_machine.travel(after(3)):
        assert services.publish_due() == 0
    draft.refresh_from_db()
    assert (draft.status, draft.ends_at, live().stable_number) == (Revision.Status.APPROVED, None, 1)
    assert Notice.objects.filter(body="It must end after it goes live.").exists()


def test_what_takes_a_draft_off_the_schedule_takes_its_end_along():
    draft = a_draft(an_editor())
    for take_off in (
        lambda: services.unschedule_revision(draft, actor=an_approver()),
        lambda: services.edit_revision(draft, draft.version, {"dating.diversity": 0.4}, actor=an_editor()),
        lambda: services.discard_revision(draft, draft.version, actor=an_editor()),
    ):
        services.schedule_revision(draft, actor=None, at=after(1), ends_at=after(2), note="")
        take_off()
        draft.refresh_from_db()
        assert (draft.publish_at, draft.ends_at) == (None, None)
