"""Preview, study and why-not pages: what they show, and that each look has a reason in the audit trail."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.common.models import AuditEntry
from apps.delivery.models import DraftStudy
from apps.members.services import patch_member
from apps.releases import services
from apps.releases.models import Revision
from tests.console.people import staff
from tests.delivery.conftest import market, serving  # noqa: F401

ASKED = {"surface": "dating", "member": "adam", "reason": "A complaint"}


@pytest.fixture
def draft(serving) -> Revision:  # noqa: F811
    found = services.start_revision(actor=None)
    return services.edit_revision(found, 1, {"dating.exploration": 0.0, "dating.random_share": 0.0})


def test_a_preview_shows_three_lists_and_leaves_a_look_in_the_audit_trail(draft):
    client = staff("editor")
    page = client.post(reverse("admin:preview", args=[draft.pk]), ASKED).content.decode()
    for title in ("Live now", "Draft", "Draft, rules off"):
        assert f"<h3>{title}</h3>" in page
    entry = AuditEntry.objects.get(action="member.looked_at")
    assert (entry.subject, entry.after) == ("member adam", {"page": "preview", "reason": "A complaint"})


def test_without_a_reason_nothing_is_shown_and_a_reason_counts_for_the_same_member(draft):
    client = staff("editor")
    at = reverse("admin:preview", args=[draft.pk])
    refused = client.post(at, ASKED | {"reason": " "})
    assert refused.status_code == 400
    assert "Live now" not in refused.content.decode()
    client.post(at, ASKED)
    assert client.post(at, ASKED | {"reason": ""}).status_code == 200
    assert client.post(at, ASKED | {"reason": "", "member": "bea"}).status_code == 400


@pytest.mark.parametrize(
    "values", [{"member": "nobody"}, {"surface": "dancing"}, {"at": "soon"}, {"member": "\x00"}]
)
def test_a_preview_of_nothing_says_so(draft, values):
    answer = staff("editor").post(reverse("admin:preview", args=[draft.pk]), ASKED | values)
    assert answer.status_code in (400, 404)
    assert 'role="alert"' in answer.content.decode()


def test_a_study_is_asked_for_followed_and_stopped(draft, monkeypatch):
    from apps.delivery import tasks

    woken = []
    monkeypatch.setattr(tasks.study_draft_task, "delay", woken.append)
    client = staff("editor")
    assert "Not studied yet" in client.get(reverse("admin:study", args=[draft.pk])).content.decode()
    client.post(reverse("admin:study_begin", args=[draft.pk]), {"sample": "30"})
    study = DraftStudy.objects.get()
    assert woken == [study.pk]
    assert client.get(reverse("admin:study_progress", args=[study.pk])).json() == {
        "status": "waiting", "done": 0, "sample": 30,
    }  # fmt: skip
    assert "data-progress" in client.get(reverse("admin:study", args=[draft.pk])).content.decode()
    client.post(reverse("admin:study_cancel", args=[study.pk]))
    study.refresh_from_db()
    assert study.status == "cancelled"


def test_a_finished_study_is_drawn(draft):
    from apps.delivery.services import recommend
    from apps.delivery.studies import ask_for_study, run_study
    from apps.interactions.copier import copy_all

    recommend(surface="dating", member="adam", limit=2)
    copy_all()
    run_study(ask_for_study(draft, actor=None).pk)
    page = staff("editor").get(reverse("admin:study", args=[draft.pk])).content.decode()
    assert "of 1 lists change" in page
    assert "Exposure Gini" in page


def test_why_not_answers_in_words_and_logs_the_look(draft):
    client = staff("approver")
    asked = {"surface": "dating", "viewer": "adam", "candidate": "minor", "reason": "A complaint"}
    page = client.post(reverse("admin:why_not"), asked).content.decode()
    assert "Lost by a filter" in page or "Not known yet" in page
    looks = AuditEntry.objects.filter(action="member.looked_at").order_by("id")
    assert [(one.subject, one.after["page"]) for one in looks] == [
        ("member adam", "why not"),
        ("member minor", "why not"),
    ]
    assert client.post(reverse("admin:why_not"), asked | {"candidate": "nobody"}).status_code == 404
    assert client.get(reverse("admin:why_not")).status_code == 200


def test_one_sides_secret_is_told_to_trust_and_safety_alone(serving):  # noqa: F811
    patch_member("bea", {"visibility": "hidden"})
    serving.poll(wait=True)
    asked = {"surface": "dating", "viewer": "adam", "candidate": "bea", "reason": "A complaint"}
    for role, told in (("editor", False), ("approver", False), ("administrator", False), ("safety", True)):
        page = staff(role).post(reverse("admin:why_not"), asked).content.decode()
        assert ("Hidden, stopped, erased or not active" in page) == told
        assert ("for a reason that is one side&#x27;s secret" in page) != told
