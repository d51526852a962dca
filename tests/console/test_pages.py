"""Every staff page answers, for approvers and editors, on an empty and on a full town."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import resolve, reverse

from apps.common.models import AuditEntry
from apps.console.roles import ensure_staff
from apps.delivery.models import DraftStudy
from apps.releases.models import Emergency, Revision
from apps.releases.selectors import live_release
from tests.browser.test_pages import pages
from tests.console.access.test_roles import addresses, arguments
from tests.console.town import build_town

pytestmark = pytest.mark.django_db

LISTS = [
    "members_member",
    "places_place",
    "places_curatedlist",
    "interactions_event",
    "interactions_relationship",
    "interactions_delivery",
    "common_auditentry",
    "surfaces_surface",
    "surfaces_market",
    "refresh_snapshotrow",
    "refresh_refreshjob",
    "django_celery_beat_periodictask",
]


def test_an_empty_installation_says_what_to_do_first(approver):
    page = approver.get(reverse("admin:index")).content.decode()
    assert "Nothing to count in the last 30 days" in page
    assert "Create a service key" in page


@pytest.mark.parametrize("model", LISTS)
def test_empty_lists_answer(editor, model):
    assert editor.get(reverse(f"admin:{model}_changelist")).status_code == 200


def test_every_page_of_a_full_town_answers(approver):
    build_town(days=3)
    User.objects.update(is_superuser=True)
    statuses = {name: approver.get(address).status_code for name, address in pages().items()}
    assert {name: status for name, status in statuses.items() if status != 200} == {}


# Answers without a page of their own: lists made of other lists, parts of a page, and what was moved.
NO_PICTURE = {"search", "app_list", "jsi18n", "study_progress", "view_on_site", "autocomplete"}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)  # a store asked too slowly is given up within its page alone
def test_the_pictures_leave_out_no_page_of_the_url_configuration(approver):
    """A new page is looked at in a browser: tests/browser/test_pages.py must know of it."""
    build_town(members=12, days=2)
    ensure_staff("viewer", "a long pass phrase", "viewer")
    User.objects.filter(username="approver").update(is_superuser=True)
    draft = Revision.objects.get(status="draft")
    DraftStudy.objects.create(revision=draft, version=1, sample=10, asked_by=None)
    Emergency.objects.create(release=live_release(), by=User.objects.first(), reason="For a test")
    seen = {resolve(address.partition("?")[0]).url_name for address in pages().values()}
    answering = set()
    for name, pattern in addresses():
        answer = approver.get(reverse(f"admin:{name}", kwargs=arguments(name, pattern)))
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
            answering.add(name)
    alike = {name for name in answering if name.endswith("_history")}
    assert answering - seen - NO_PICTURE - alike == set()


def test_a_refresh_is_asked_for_by_a_form_only(editor, monkeypatch):
    from celery import current_app

    asked = []
    monkeypatch.setattr(current_app, "send_task", lambda name, kwargs: asked.append((name, kwargs["key"])))
    address = reverse("admin:refresh_refreshjob_changelist")
    assert "Refresh now" in editor.get(address).content.decode()
    assert asked == []
    assert editor.post(address).status_code == 302
    assert [name for name, _ in asked] == ["refresh.refresh"]


def test_the_task_that_is_asked_for_exists():
    from apps.refresh.tasks import refresh_task

    assert refresh_task.name == "refresh.refresh"


def test_whoever_asks_for_a_refresh_is_named(approver, monkeypatch):
    monkeypatch.setattr("celery.current_app.send_task", lambda *_, **__: None)
    approver.post(reverse("admin:refresh_refreshjob_changelist"))
    assert AuditEntry.objects.get(action="refresh.asked").actor_name == "approver"


def test_a_snapshot_tells_how_good_its_predictions_are_and_for_whom(approver):
    from apps.refresh.models import SnapshotRow

    build_town(members=10, days=1)
    row = SnapshotRow.objects.get(status="ready")
    ends = {"calibration_low": 0.001, "calibration_high": 0.026, "calibration_noise": 0.007}
    groups = {
        "home market: Lisbon": {"decisions": 5_313, "members": 870, "calibration_error": 0.016, **ends},
        "home market: too few": {"decisions": 12},
    }
    of_likes = {"decisions": 31_942, "auc": 0.729, "auc_low": 0.722, "auc_high": 0.736, "log_loss": 0.481}
    of_trees = {"over_light": 0.006, "over_light_low": 0.002, "over_light_high": 0.009, "used": False}
    like = {**of_likes, **ends, "calibration_error": 0.013, "by_group": groups}
    row.report = {"seconds": {"reading": 9.2}, "learnt": {"dating": {"like": like, "heavy": like | of_trees}}}
    row.save()
    said = approver.get(reverse("admin:refresh_snapshotrow_change", args=[row.pk])).content.decode()
    for cell in (
        "0.729 (0.722 to 0.736)", "0.013 (0.001 to 0.026)", "+0.006 (+0.002 to +0.009)", "heavy ranker, off",
        "yes", "home market: Lisbon", "5,313", "0.016 (0.001 to 0.026)", "home market: too few", "12",
        "The chance that the viewer likes the candidate.", "not counted as a pass",
        "learnt, dating, like, log loss",
    ):  # fmt: skip
        assert cell in said, cell
    assert "learnt, dating, like, auc" not in said


def test_a_snapshot_that_is_broken_is_not_served_and_says_so(approver):
    from apps.refresh.models import SnapshotRow

    build_town(members=10, days=1)
    row = SnapshotRow.objects.get(status="ready")  # its folder was never made
    address = reverse("admin:refresh_snapshotrow_change", args=[row.pk])
    said = approver.post(address, {"button": "activate"}, follow=True).content.decode()
    assert f"Snapshot {row.pk} can" in said
    row.refresh_from_db()
    assert row.status == "ready"


def test_an_editor_can_not_serve_an_earlier_snapshot(editor):
    from apps.refresh.models import SnapshotRow

    build_town(members=10, days=1)
    row = SnapshotRow.objects.get(status="ready")
    address = reverse("admin:refresh_snapshotrow_change", args=[row.pk])
    assert editor.post(address, {"button": "activate"}).status_code == 403
    row.refresh_from_db()
    assert row.status == "ready"
