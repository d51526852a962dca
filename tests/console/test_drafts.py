"""The pages between a draft and its release: asking, approving, scheduling, stages, emergencies, switches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.common.clock import now
from apps.releases import services
from apps.releases.models import Emergency, ReleaseEnd, Revision
from apps.releases.selectors import live
from tests.console.people import staff
from tests.policies.examples import rule

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(editor: Client) -> Revision:
    """Written by the editor."""
    editor.post(reverse("admin:draft_start"))
    found = Revision.objects.get(status="draft")
    return services.edit_revision(found, 1, {"dating.diversity": 0.6}, actor=found.author)


def press(client: Client, name: str, draft: Revision, **data: Any) -> Any:
    draft.refresh_from_db()
    address = reverse(f"admin:{name}", args=[draft.pk])
    return client.post(address, {"version": draft.version, **data}, follow=True)


def page(client: Client, draft: Revision) -> str:
    return client.get(reverse("admin:draft_review", args=[draft.pk])).content.decode()


def test_the_review_names_what_is_in_the_way_and_who_wrote_it(editor, draft):
    said = page(editor, draft)
    assert "Written by editor." in said
    assert "Its reach is not measured yet." in said
    assert "Somebody who did not write in this draft must approve it." in said


def test_asked_measured_commented_approved_and_published(editor, approver, draft):
    press(editor, "draft_measure", draft)
    press(editor, "draft_comment", draft, text="Worth a try <script>")
    press(editor, "draft_ask", draft)
    said = page(approver, draft)
    assert "waiting for approval" in said
    assert "Worth a try &lt;script&gt;" in said
    press(approver, "draft_approve", draft, note="Yes")
    assert "Nothing in the way" in page(editor, draft)
    press(approver, "draft_publish", draft, note="More spread", how="now")
    assert live().stable_number == 2


def test_an_approval_whose_approver_is_disabled_counts_on_no_page(editor, approver, draft):
    press(editor, "draft_measure", draft)
    press(approver, "draft_approve", draft)
    assert ">counts<" in page(editor, draft)
    User.objects.filter(pk=approver.user.pk).update(is_active=False)
    said = page(editor, draft)
    assert ">no approver any more<" in said
    assert ">counts<" not in said
    assert "Somebody who did not write in this draft must approve it." in said


def test_an_editor_can_neither_approve_nor_publish(editor, draft):
    for name in ("draft_approve", "draft_publish", "draft_unschedule"):
        assert press(editor, name, draft, note="x").status_code == 403
    assert live().stable_number == 1


def test_an_approver_who_wrote_in_the_draft_meets_a_page_that_says_why(approver, draft):
    services.edit_revision(draft, draft.version, {"dating.diversity": 0.7}, actor=approver.user)
    answer = press(approver, "draft_publish", draft, note="x")
    assert answer.status_code == 403
    assert "Somebody who did not write in this draft must approve it." in answer.content.decode()
    assert live().stable_number == 1


def test_a_time_to_come_puts_the_draft_on_the_schedule_and_takes_it_off_again(approver, draft):
    at = f"{now() + timedelta(days=1):%Y-%m-%dT%H:%M}"
    press(approver, "draft_publish", draft, note="Tomorrow", how="later", at=at)
    draft.refresh_from_db()
    assert draft.status == "scheduled"
    press(approver, "draft_unschedule", draft)
    draft.refresh_from_db()
    assert draft.status == "approved"


@pytest.mark.parametrize("at", ["", "soon", "2001-01-01T00:00", "99999-01-01"])
def test_a_time_that_is_none_or_past_is_refused(approver, draft, at):
    assert press(approver, "draft_publish", draft, note="x", how="later", at=at).status_code == 400
    draft.refresh_from_db()
    assert draft.publish_at is None


def test_a_release_with_an_end_says_so_and_an_approver_moves_and_cancels_it(approver, editor, draft):
    at = f"{now() + timedelta(days=9):%Y-%m-%dT%H:%M}"
    press(approver, "draft_publish", draft, note="Over the holidays", how="now", ends_at=at)
    end = ReleaseEnd.objects.get()
    assert f"{end.at:%Y-%m-%dT%H:%M}" == at
    address = reverse("admin:release", args=[2])
    assert "release 1 comes back" in approver.get(address).content.decode()
    assert "An approver can move or cancel its end." in editor.get(address).content.decode()
    assert "Release 2" in approver.get("/admin/").content.decode()
    move, cancel = (reverse(f"admin:release_end_{act}", args=[2]) for act in ("move", "cancel"))
    later = {"at": f"{now() + timedelta(days=10):%Y-%m-%dT%H:%M}", "expected": end.at.isoformat()}
    assert editor.post(move, later).status_code == 403
    approver.post(move, later)
    assert "was moved to" in approver.post(cancel, later, follow=True).content.decode()  # an old page
    end.refresh_from_db()
    said = approver.post(cancel, {"expected": end.at.isoformat()}, follow=True).content.decode()
    assert "Cancelled by approver" in said
    assert live().stable_number == 2


def test_a_scheduled_draft_says_when_it_ends(approver, draft):
    at, ends_at = (f"{now() + timedelta(days=d):%Y-%m-%dT%H:%M}" for d in (1, 3))
    press(approver, "draft_publish", draft, note="Two days", how="later", at=at, ends_at=ends_at)
    assert "Ends by itself at" in page(approver, draft)
    answer = press(approver, "draft_publish", draft, note="x", how="later", at=ends_at, ends_at=at)
    assert "It must end after it goes live." in answer.content.decode()


def test_a_staged_release_is_walked_on_and_turned_back_by_hand(approver, draft):
    press(approver, "draft_publish", draft, note="Carefully", how="staged")
    assert live().percentage == 1
    said = approver.get(reverse("admin:releases")).content.decode()
    assert "Release 2 goes to 1% of viewers" in said
    approver.post(reverse("admin:rollout_step"), {"expected": "1"})
    assert live().percentage == 10
    approver.post(reverse("admin:rollout_step"), {"expected": "1"})  # pressed twice
    assert live().percentage == 10
    approver.post(reverse("admin:rollout_back"), {"expected": "10", "note": "Complaints"})
    assert (live().stable_number, live().candidate_number) == (1, None)


def test_an_emergency_is_loud_until_another_approver_reviewed_it(approver, draft):
    press(approver, "draft_publish", draft, note="Lists are empty", how="emergency")
    assert live().stable_number == 2
    other = staff("approver", "bea")
    said = other.get(reverse("admin:releases")).content.decode()
    assert "was published by one person" in said
    emergency = Emergency.objects.get()
    address = reverse("admin:emergency_review", args=[emergency.pk])
    approver.post(address, {"note": "My own"})
    emergency.refresh_from_db()
    assert emergency.reviewed_at is None
    other.post(address, {"note": "It had to be"})
    emergency.refresh_from_db()
    assert emergency.reviewed_by.username == "bea"


def test_a_rule_is_switched_off_at_once_and_on_again(editor):
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, 1, {"dating.rules": [rule()]})
    services.publish_revision(draft, actor=None, note="")
    said = {"kind": "rule", "key": "dating/newcomers"}
    editor.post(reverse("admin:switch"), {**said, "note": "Complaints"})
    assert live().killed == {"rule:dating/newcomers"}
    assert "rule:dating/newcomers" in editor.get(reverse("admin:releases")).content.decode()
    editor.post(reverse("admin:switch"), {**said, "lift": "1"})
    assert live().killed == frozenset()


@pytest.mark.parametrize("back", ["https://example.com/", "//example.com", "javascript:alert(1)", "/api/v1/"])
def test_one_is_sent_back_to_the_admin_only(editor, back):
    answer = editor.post(reverse("admin:switch"), {"kind": "rule", "key": "x", "note": "y", "next": back})
    assert answer.url == reverse("admin:releases")
