"""Tuning in the admin, from a draft to a release and back, as editors and approvers do it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.common.clock import now
from apps.common.models import AuditEntry
from apps.releases import services
from apps.releases.models import Release, Revision
from apps.releases.selectors import live
from tests.console.people import staff

pytestmark = pytest.mark.django_db


def start(client: Client) -> Revision:
    client.post(reverse("admin:draft_start"))
    return Revision.objects.get(status="draft")


def form_of(client: Client, draft: Revision, surface: str = "dating") -> dict[str, Any]:
    """What the browser would send back unchanged."""
    form = client.get(reverse("admin:draft_edit", args=[draft.pk, surface])).context["form"]
    data = {field.name: field.typed for field in form.fields}
    data["version"] = str(form.version)
    return data


def save(client: Client, draft: Revision, surface: str = "dating", **changes: str) -> Any:
    data = form_of(client, draft, surface) | {key.replace("__", "."): value for key, value in changes.items()}
    return client.post(reverse("admin:draft_edit", args=[draft.pk, surface]), data)


def publish(client: Client, draft: Revision) -> Any:
    draft.refresh_from_db()
    data = {"note": "A reason", "version": draft.version}
    return client.post(reverse("admin:draft_publish", args=[draft.pk]), data)


def test_a_form_sent_back_unchanged_saves_nothing(editor):
    draft = start(editor)
    for surface in ("dating", "networking", "travel"):
        assert save(editor, draft, surface).status_code == 302
    draft.refresh_from_db()
    assert draft.version == 1


def test_what_is_saved_in_a_draft_is_not_live_until_it_is_published(editor, approver):
    draft = start(editor)
    save(editor, draft, weights__activity="0.25", diversity="0.4")
    assert live().stable_content["surfaces"]["dating"]["diversity"] == 0.1
    assert publish(approver, draft).status_code == 302
    policy = live().stable_content["surfaces"]["dating"]
    assert (policy["diversity"], policy["weights"]["activity"]) == (0.4, 0.25)
    entry = AuditEntry.objects.get(action="release.published", subject="release 2")
    assert (entry.actor_name, entry.after["note"]) == ("approver", "A reason")


def test_editors_are_not_offered_and_not_allowed_to_publish(editor):
    draft = start(editor)
    save(editor, draft, diversity="0.4")
    page = editor.get(reverse("admin:draft_review", args=[draft.pk])).content.decode()
    assert "Publish now" not in page
    assert "An approver publishes" in page
    assert publish(editor, draft).status_code == 403
    assert live().stable_number == 1


def test_a_value_out_of_bounds_is_refused_beside_its_knob_and_nothing_typed_is_lost(editor):
    draft = start(editor)
    answer = save(editor, draft, diversity="7", exploration="0.2")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Must be between 0 and 1." in page
    assert 'value="7"' in page
    assert 'value="0.2"' in page
    draft.refresh_from_db()
    assert draft.version == 1


@pytest.mark.parametrize("typed", ["", "many", "nan", "1e400", "\x00"])
def test_what_is_no_number_is_refused_with_a_sentence(editor, typed):
    assert save(editor, start(editor), diversity=typed).status_code == 422


def test_the_second_of_two_editors_meets_a_page_that_says_so(editor, approver):
    draft = start(editor)
    opened = form_of(approver, draft)
    save(editor, draft, diversity="0.4")
    address = reverse("admin:draft_edit", args=[draft.pk, "dating"])
    answer = approver.post(address, opened | {"diversity": "0.9"})
    assert answer.status_code == 409
    assert "Somebody saved this draft after you opened it." in answer.content.decode()
    draft.refresh_from_db()
    assert draft.content["surfaces"]["dating"]["diversity"] == 0.4


def test_an_approver_publishes_only_the_version_they_reviewed(editor, approver):
    draft = start(editor)
    seen = draft.version
    save(editor, draft, diversity="0.4")
    answer = approver.post(reverse("admin:draft_publish", args=[draft.pk]), {"note": "x", "version": seen})
    assert answer.status_code == 409
    assert live().stable_number == 1


def test_a_draft_overtaken_by_a_release_is_brought_up_to_date_and_then_published(editor, approver):
    draft = start(editor)
    save(editor, draft, exploration="0.3")
    other = services.start_revision(actor=None)
    services.edit_revision(other, 1, {"dating.diversity": 0.7})
    services.publish_revision(other, actor=None, note="")
    review = approver.get(reverse("admin:draft_review", args=[draft.pk])).content.decode()
    assert "Release 2 went live after this draft was started" in review
    assert "Publish now" not in review
    draft.refresh_from_db()
    editor.post(reverse("admin:draft_update", args=[draft.pk]), {"version": draft.version})
    publish(approver, draft)
    policy = live().stable_content["surfaces"]["dating"]
    assert (policy["exploration"], policy["diversity"]) == (0.3, 0.7)


def test_whoever_brings_a_draft_up_to_date_reads_what_both_changed(editor):
    draft = start(editor)
    save(editor, draft, diversity="0.4")
    theirs = services.start_revision(actor=None)
    theirs = services.edit_revision(theirs, 1, {"dating.diversity": 0.3, "dating.exploration": 0.2})
    services.publish_revision(theirs, actor=None, note="")
    draft.refresh_from_db()
    update = reverse("admin:draft_update", args=[draft.pk])
    page = editor.post(update, {"version": draft.version}, follow=True).content.decode()
    assert "Both changed Dating, Order: Diversity. Live: 0.3. The draft keeps: 0.4." in page
    assert page.count("Both changed") == 1


def test_one_click_and_a_confirmation_roll_back(approver, editor):
    draft = start(editor)
    save(editor, draft, diversity="0.4")
    publish(approver, draft)
    page = approver.get(reverse("admin:release", args=[1])).content.decode()
    assert "Make release 1 live" in page
    approver.post(reverse("admin:release_roll_back", args=[1]), {"expected": "2"})
    assert live().stable_number == 1
    assert Release.objects.count() == 2


def test_editors_can_not_roll_back(editor):
    assert editor.post(reverse("admin:release_roll_back", args=[1]), {"expected": "1"}).status_code == 403


def test_a_discarded_draft_is_gone_from_the_page_and_edit_starts_another(editor):
    draft = start(editor)
    editor.post(reverse("admin:draft_discard", args=[draft.pk]), {"version": draft.version})
    assert start(editor).pk != draft.pk


def test_a_discarded_draft_is_brought_back_as_it_was(editor):
    draft = start(editor)
    save(editor, draft, diversity="0.4")
    draft.refresh_from_db()
    editor.post(reverse("admin:draft_discard", args=[draft.pk]), {"version": draft.version})
    back = reverse("admin:draft_bring_back", args=[draft.pk])
    for page in (reverse("admin:policies"), reverse("admin:draft_review", args=[draft.pk])):
        assert back in editor.get(page).content.decode()
        assert back not in staff("viewer").get(page).content.decode()
    assert editor.post(back).status_code == 302
    found = start(editor)
    assert (found.pk, found.content["surfaces"]["dating"]["diversity"]) == (draft.pk, 0.4)
    assert AuditEntry.objects.filter(action="revision.brought_back", actor_name="editor").exists()
    assert editor.post(back).status_code == 409
    assert back not in editor.get(reverse("admin:policies")).content.decode()


def test_edit_continues_the_draft_that_is_open(editor):
    first = start(editor)
    assert start(editor).pk == first.pk


@pytest.mark.parametrize("status", ["review", "approved", "scheduled"])
@pytest.mark.parametrize("edit", ["draft_start", "entries_begin"])
def test_edit_leaves_alone_what_others_look_at_or_agreed_on(editor, status, edit):
    theirs = start(editor)
    at = now() + timedelta(hours=1) if status == "scheduled" else None
    Revision.objects.filter(pk=theirs.pk).update(status=status, publish_at=at)
    assert "Continue the draft" not in editor.get(reverse("admin:policies")).content.decode()
    editor.post(reverse(f"admin:{edit}", args=["rules"] if edit == "entries_begin" else []))
    assert Revision.objects.get(status="draft").pk != theirs.pk


@pytest.mark.parametrize(
    ("status", "before", "after"),
    [
        ("review", "Saving takes it out of review", "It is out of review"),
        ("approved", "Saving makes the approval worth nothing", "Its approval counts no more"),
        ("scheduled", "Saving takes it off the schedule", "It is off the schedule"),
    ],
)
def test_a_draft_on_its_way_says_what_a_save_takes_back_before_and_after_it(editor, status, before, after):
    draft = start(editor)
    at = now() + timedelta(hours=1) if status == "scheduled" else None
    Revision.objects.filter(pk=draft.pk).update(status=status, publish_at=at)
    draft.refresh_from_db()
    rules = [draft.pk, "rules", "dating", "new"]
    for name, args in (
        ("draft_edit", [draft.pk, "dating"]),
        ("draft_entry", rules),
        ("draft_entries", rules[:2]),
    ):
        page = editor.get(reverse(f"admin:{name}", args=args)).content.decode()
        assert before in page
        assert draft.get_status_display().lower() in page
    save(editor, draft, diversity="0.4")
    assert after in editor.get(reverse("admin:policies")).content.decode()
    draft.refresh_from_db()
    assert (draft.status, draft.publish_at) == ("draft", None)


@pytest.mark.parametrize("page", ["policies", "releases"])
def test_strangers_and_members_of_no_group_see_nothing(page):
    from django.contrib.auth.models import User

    assert Client().get(reverse(f"admin:{page}")).status_code == 302
    client = Client()
    client.force_login(User.objects.create_user("new", is_staff=True))
    assert client.get(reverse(f"admin:{page}")).status_code == 403
