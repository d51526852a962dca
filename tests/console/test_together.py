"""Several entries at once, in the list and through a file; whoever is second meets the conflict page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.common.models import AuditEntry
from apps.releases import services
from apps.releases.models import Revision
from tests.console.inputs import inputs_of
from tests.console.people import staff
from tests.delivery.publishing import in_days
from tests.policies.examples import flag, rule, segment

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(db: None) -> Revision:
    rules = [rule(), rule(id="rest", name="Rest", type="cap", effect={"daily": 9, "hourly": 0}, priority=200)]
    changes = {"dating.rules": rules, "flags": [flag()], "segments": [segment()]}
    return services.edit_revision(services.start_revision(actor=None), 1, changes)


def act(client: Client, draft: Revision, part: str, do: str, *chosen: str, **more: Any) -> int:
    address = reverse("admin:draft_entries_change", args=[draft.pk, part])
    data = {"version": draft.version, "do": do, "chosen": list(chosen), **more}
    return client.post(address, data).status_code


def rules_of(draft: Revision, surface: str = "dating") -> dict[str, Any]:
    draft.refresh_from_db()
    return {one["id"]: one for one in draft.content["surfaces"][surface]["rules"]}


def import_file(client: Client, draft: Revision, part: str, text: str, version: int | None = None) -> Any:
    address = reverse("admin:draft_entries_import", args=[draft.pk, part])
    file = SimpleUploadedFile("rules.json", text.encode(), "application/json")
    return client.post(address, {"version": version or draft.version, "file": file})


def test_ticked_rules_are_prolonged_or_removed_together(editor: Client, draft: Revision):
    assert act(editor, draft, "rules", "prolong", "dating/newcomers", "dating/rest") == 302
    assert {one["ends_at"] for one in rules_of(draft).values()} == {"2026-07-15T00:00:00Z"}
    assert act(editor, draft, "rules", "remove", "dating/newcomers") == 302
    assert list(rules_of(draft)) == ["rest"]
    assert act(editor, draft, "flags", "remove", f"{min(draft.content['surfaces'])}/bolder") == 302
    draft.refresh_from_db()
    assert draft.content["flags"] == []


def test_priorities_are_edited_in_the_list_and_a_wrong_one_saves_nothing(editor: Client, draft: Revision):
    page = editor.get(reverse("admin:draft_entries", args=[draft.pk, "rules"])).content.decode()
    assert 'name="priority:dating/rest" value="200"' in page
    typed = {"priority:dating/rest": "5", "priority:dating/newcomers": "7"}
    assert act(editor, draft, "rules", "priorities", **typed) == 302
    assert [(name, one["priority"]) for name, one in rules_of(draft).items()] == [
        ("rest", 5),
        ("newcomers", 7),
    ]
    act(
        editor,
        draft,
        "rules",
        "priorities",
        **{"priority:dating/rest": "many", "priority:dating/newcomers": "9"},
    )
    assert rules_of(draft)["newcomers"]["priority"] == 7


def test_without_a_tick_nothing_is_done(editor: Client, draft: Revision):
    act(editor, draft, "rules", "remove")
    act(editor, draft, "rules", "unheard of", "dating/rest")
    assert len(rules_of(draft)) == 2


@pytest.mark.parametrize("do", ["remove", "prolong", "priorities"])
def test_the_second_of_two_who_act_on_a_list_meets_the_conflict_page(
    editor: Client, draft: Revision, do: str
):
    before = draft.version
    services.edit_revision(draft, before, {"dating.diversity": 0.3})
    stands = rules_of(draft)
    draft.version = before
    assert act(editor, draft, "rules", do, "dating/rest", **{"priority:dating/rest": "5"}) == 409
    assert rules_of(draft) == stands


def test_what_is_handed_out_is_taken_in_again_and_replaces_by_name(editor: Client, draft: Revision):
    address = reverse("admin:draft_entries_export", args=[draft.pk, "rules"])
    file = json.loads(editor.get(address).content)
    assert import_file(editor, draft, "rules", json.dumps(file)).status_code == 302
    assert len(rules_of(draft)) == 2
    file["rules"]["dating"][0]["name"] = "Taken in"
    file["rules"]["networking"] = [rule(id="other")]
    assert import_file(editor, draft, "rules", json.dumps(file)).status_code == 302
    assert rules_of(draft)["newcomers"]["name"] == "Taken in"
    assert list(rules_of(draft, "networking")) == ["other"]


def test_a_file_names_members_so_editors_alone_take_it_and_are_named(editor: Client, draft: Revision):
    address = reverse("admin:draft_entries_export", args=[draft.pk, "rules"])
    viewer = staff("viewer")
    assert viewer.get(address).status_code == 403
    page = viewer.get(reverse("admin:draft_entries", args=[draft.pk, "rules"])).content.decode()
    assert address not in page
    editor.get(address)
    entry = AuditEntry.objects.get(action="revision.exported")
    assert (entry.actor_name, entry.subject, entry.after) == (
        "editor", f"draft {draft.pk}", {"part": "rules"}
    )  # fmt: skip


def test_the_second_of_two_who_import_a_file_meets_the_conflict_page(editor: Client, draft: Revision):
    seen = draft.version
    services.edit_revision(draft, seen, {"dating.diversity": 0.3})
    file = json.dumps({"segments": [segment(key="new", name="New")]})
    assert import_file(editor, draft, "segments", file, version=seen).status_code == 409
    draft.refresh_from_db()
    assert [one["key"] for one in draft.content["segments"]] == ["grown"]


def against_each_other() -> list[dict[str, Any]]:
    """Two that push the same candidates up and down."""
    times = {"starts_at": in_days(-1), "ends_at": in_days(9)}
    return [rule(id="up", **times), rule(id="down", type="bury", effect={"factor": 0.5}, **times)]


def test_what_a_file_would_bring_is_listed_before_it_is_saved(editor: Client, draft: Revision):
    file = json.dumps({"rules": {"dating": against_each_other()}})
    answer = import_file(editor, draft, "rules", file)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "push the same candidates up and down" in page
    assert set(rules_of(draft)) == {"newcomers", "rest"}
    address = reverse("admin:draft_entries_import", args=[draft.pk, "rules"])
    carried = inputs_of(page)
    assert json.loads(carried["text"]) == json.loads(file)
    assert editor.post(address, carried | {"anyway": "1"}).status_code == 302
    assert set(rules_of(draft)) == {"newcomers", "rest", "up", "down"}
    assert import_file(editor, draft, "rules", file).status_code == 302  # it brings nothing new


def test_what_stood_together_for_longer_would_bring_is_listed_before_it_is_saved(
    editor: Client, draft: Revision
):
    up, down = against_each_other()
    later = {"starts_at": in_days(10), "ends_at": in_days(20)}
    draft = services.edit_revision(draft, draft.version, {"dating.rules": [up, down | later]})
    address = reverse("admin:draft_entries_change", args=[draft.pk, "rules"])
    ticked = {"version": draft.version, "do": "prolong", "chosen": ["dating/up"]}
    answer = editor.post(address, ticked)
    assert answer.status_code == 422
    assert "push the same candidates up and down" in answer.content.decode()
    assert rules_of(draft)["up"]["ends_at"] == up["ends_at"]
    assert editor.post(address, ticked | {"anyway": "1"}).status_code == 302
    assert rules_of(draft)["up"]["ends_at"] > down["ends_at"]


@pytest.mark.parametrize(
    "text", ["", "[", "[" * 50_000, "{}", '{"rules": [1]}', '{"rules": {"dating": [1]}}', "null", "\x00"]
)
def test_a_file_of_another_shape_is_refused(editor: Client, draft: Revision, text: str):
    assert import_file(editor, draft, "rules", text).status_code == 422
    assert len(rules_of(draft)) == 2


def test_entries_that_can_not_stand_are_named_and_none_of_the_file_is_saved(editor: Client, draft: Revision):
    good, bad = rule(id="good"), rule(id="bad", effect={"factor": 99})
    file = json.dumps({"rules": {"dating": [good, bad], "nowhere": []}})
    import_file(editor, draft, "rules", file)
    file = json.dumps({"rules": {"dating": [good, bad]}})
    answer = import_file(editor, draft, "rules", file)
    assert len(rules_of(draft)) == 2
    page = editor.get(answer["Location"]).content.decode()
    assert "Must be between 1 and 4." in page
