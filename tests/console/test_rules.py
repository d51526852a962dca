"""The pages of rules, segments, flags and experiments: written, refused, copied, removed, counted."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.common.clock import now
from apps.console.rules import match as matching
from apps.interactions.models import RecentFigure
from apps.members.models import Member
from apps.releases import services
from apps.releases.models import Revision
from tests.console.inputs import inputs_of
from tests.console.test_waiting import dated
from tests.policies.examples import experiment, flag, rule, segment
from tests.refresh.rows import make_market, make_member

pytestmark = pytest.mark.django_db
GROWN = {"attribute": "age", "operator": "at_least", "value": 30}


@pytest.fixture
def draft(editor: Client) -> Revision:
    editor.post(reverse("admin:entries_begin", args=["rules"]))
    return Revision.objects.get(status="draft")


def address(draft: Revision, part: str, name: str = "new", surface: str = "dating") -> str:
    return reverse("admin:draft_entry", args=[draft.pk, part, surface, name])


def form_of(client: Client, at: str) -> dict[str, Any]:
    """What the browser would send back unchanged."""
    return inputs_of(client.get(at).content.decode())


def save(client: Client, at: str, **values: Any) -> Any:
    return client.post(at, form_of(client, at) | {key.replace("__", "."): v for key, v in values.items()})


def said(draft: Revision, part: str) -> list[Any]:
    draft.refresh_from_db()
    return draft.content["surfaces"]["dating"]["rules"] if part == "rules" else draft.content[part]


def test_a_boost_is_written_into_the_draft(editor, draft):
    values = {"id": "young", "name": "New faces", "reason": "They wait", "candidates": json.dumps(GROWN)}
    answer = save(editor, address(draft, "rules"), effect__factor="1.5", **values)
    assert answer.status_code == 302
    (one,) = said(draft, "rules")
    assert (one["id"], one["effect"], one["candidates"]) == ("young", {"factor": 1.5}, GROWN)
    page = editor.get(reverse("admin:draft_entries", args=[draft.pk, "rules"])).content.decode()
    assert "Score × 1.5" in page
    assert "age at least 30 years" in page


@pytest.mark.parametrize(
    ("values", "effect"),
    [
        ({"type": "boost", "way": "slots", "effect__slots": "3, 7"}, {"slots": [3, 7]}),
        ({"type": "boost", "way": "share", "effect__share": "0.2"}, {"share": 0.2}),
        ({"type": "bury", "way": "factor", "effect__factor": "0.5"}, {"factor": 0.5}),
        ({"type": "cap", "effect__daily": "50", "effect__hourly": "5"}, {"daily": 50, "hourly": 5}),
        ({"type": "cooldown", "effect__days": "30"}, {"days": 30}),
        ({"type": "floor", "effect__daily": "9", "effect__tolerance": "0.1"}, {"daily": 9, "tolerance": 0.1}),
        (
            {"type": "share_target", "effect__share": "0.1", "effect__tolerance": "0.02"},
            {"share": 0.1, "tolerance": 0.02},
        ),
    ],
)
def test_every_type_of_rule_has_its_own_effect(editor, draft, values, effect):
    assert save(editor, address(draft, "rules"), id="a", name="A", reason="b", **values).status_code == 302
    assert said(draft, "rules")[0]["effect"] == effect


def test_pins_are_typed_as_ids_and_an_unknown_id_is_refused_beside_its_field(editor, draft):
    ada = Member.objects.create(external_id="ada", display_name="Ada", status="active")
    values = {"id": "pin", "name": "Pinned", "reason": "x", "type": "pin", "effect__position": "1"}
    answer = save(editor, address(draft, "rules"), effect__candidates="ada, eve", **values)
    assert answer.status_code == 422
    assert "each once" in answer.content.decode()
    assert "ada, eve" in answer.content.decode()
    save(editor, address(draft, "rules"), effect__candidates="ada", **values)
    assert said(draft, "rules")[0]["effect"] == {"candidates": [ada.number], "position": 1}
    assert "ada" in form_of(editor, address(draft, "rules", "pin"))["effect.candidates"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"effect__factor": "9"}, "Must be between 1 and 4."),
        ({"effect__factor": "nan"}, "Must be between 1 and 4."),
        ({"effect__factor": "1e999"}, "Must be between 1 and 4."),
        ({"priority": "-1e999"}, "Must be between 1 and 1,000."),
        ({"priority": "9" * 400}, "Must be between 1 and 1,000."),
        ({"type": "boost", "way": "slots", "effect__slots": "1, 1e999"}, "Must be"),
        ({"ends_at": ""}, "Must be set: everything here has an end."),
        ({"owner": ""}, "Must be 1 to 100 letters."),
        ({"viewers": "{"}, "A condition is an object."),
        (
            {"viewers": json.dumps({"attribute": "gender", "operator": "is", "value": "x"})},
            "mutual eligibility",
        ),
        ({"id": "Not A Slug"}, "Lower-case letters"),
        ({"viewers": "[" * 100_000}, "A condition is an object."),
    ],
)
def test_a_refusal_stands_beside_its_field_and_nothing_typed_is_lost(editor, draft, values, sentence):
    base = {"id": "a", "name": "Kept as typed", "reason": "b"}
    answer = save(editor, address(draft, "rules"), **{**base, **values})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page
    assert "Kept as typed" in page
    assert said(draft, "rules") == []


def test_a_form_sent_back_unchanged_changes_nothing(editor, draft):
    parts = {
        "dating.rules": [rule()],
        "segments": [segment()],
        "flags": [flag()],
        "experiments": [experiment()],
    }
    draft = services.edit_revision(draft, 1, parts)
    before = draft.content
    for part, name in (
        ("rules", "newcomers"),
        ("segments", "grown"),
        ("flags", "bolder"),
        ("experiments", "spread"),
    ):
        answer = save(editor, address(draft, part, name))
        assert answer.status_code == 302, answer.context["form"].refusals
    draft.refresh_from_db()
    assert draft.content == before


def test_a_copy_starts_like_its_model_under_no_name(editor, draft):
    services.edit_revision(draft, 1, {"dating.rules": [rule()]})
    data = form_of(editor, address(draft, "rules") + "?copy=newcomers")
    assert (data["id"], data["name"], data["effect.factor"]) == ("", "Newcomers", "1.5")


@pytest.mark.parametrize(("part", "name"), [("flags", "bolder"), ("experiments", "spread")])
def test_a_copy_has_a_salt_of_its_own(editor, draft, part, name):
    """With its model's it would deal the same members into the same arms."""
    services.edit_revision(draft, 1, {"flags": [flag()], "experiments": [experiment()]})
    at = address(draft, part) + f"?copy={name}"
    assert form_of(editor, at)["salt"] == ""
    answer = save(editor, at, key="again", surface="networking", layer="another")
    assert answer.status_code == 302, answer.context["form"].refusals
    assert [one["salt"] for one in said(draft, part) if one["key"] == "again"] == ["again"]


def test_two_with_one_name_are_refused(editor, draft):
    services.edit_revision(draft, 1, {"dating.rules": [rule()]})
    answer = save(editor, address(draft, "rules"), id="newcomers", name="Again", reason="b")
    assert "Another one is called newcomers." in answer.content.decode()


def test_a_segment_in_use_can_not_be_removed_and_its_users_are_named(editor, draft):
    parts = {"segments": [segment()], "dating.rules": [rule(viewers={"segment": "grown"})]}
    draft = services.edit_revision(draft, 1, parts)
    page = editor.get(reverse("admin:draft_entries", args=[draft.pk, "segments"])).content.decode()
    assert "rule Newcomers" in page
    remove = reverse("admin:draft_entry_remove", args=[draft.pk, "segments", "dating", "grown"])
    answer = editor.post(remove, {"version": draft.version}, follow=True)
    assert "is still used at dating.rules.0.viewers.segment" in answer.content.decode()
    assert len(said(draft, "segments")) == 1


def test_a_rule_is_removed_and_the_second_of_two_editors_meets_a_conflict(editor, draft):
    draft = services.edit_revision(draft, 1, {"dating.rules": [rule()]})
    remove = reverse("admin:draft_entry_remove", args=[draft.pk, "rules", "dating", "newcomers"])
    assert editor.post(remove, {"version": draft.version - 1}).status_code == 409
    editor.post(remove, {"version": draft.version})
    assert said(draft, "rules") == []


def test_of_two_editors_of_one_rule_the_second_meets_a_page_that_says_so(editor, draft):
    draft = services.edit_revision(draft, 1, {"dating.rules": [rule()]})
    at = address(draft, "rules", "newcomers")
    mine = form_of(editor, at)
    services.edit_revision(draft, draft.version, {"dating.diversity": 0.3})
    answer = editor.post(at, mine | {"name": "Mine"})
    assert answer.status_code == 409
    assert said(draft, "rules")[0]["name"] == "Newcomers"


def test_contradictions_are_listed_before_saving_goes_live(editor, draft):
    bury = rule(id="rest", name="Rest", type="bury", effect={"factor": 0.5}, ends_at="2027-01-01T00:00:00Z")
    boost = rule(ends_at="2027-01-01T00:00:00Z")
    draft = services.edit_revision(draft, 1, {"dating.rules": [boost, bury]})
    page = editor.get(reverse("admin:draft_entries", args=[draft.pk, "rules"])).content.decode()
    assert "Newcomers and Rest push the same candidates up and down." in page


def test_a_contradiction_is_listed_in_the_form_before_anything_is_saved(editor, draft):
    draft = services.edit_revision(draft, 1, {"dating.rules": [dated(30)]})
    values = {"id": "rest", "name": "Rest", "type": "bury", "reason": "Tired", "effect.factor": "0.5"}
    data = form_of(editor, address(draft, "rules")) | values
    page = editor.post(address(draft, "rules"), data).content.decode()
    assert "Newcomers and Rest push the same candidates up and down." in page
    assert 'value="Rest"' in page
    assert len(said(draft, "rules")) == 1
    assert editor.post(address(draft, "rules"), data | {"anyway": "1"}).status_code == 302
    assert len(said(draft, "rules")) == 2


def test_a_segment_that_makes_two_rules_meet_is_listed_before_it_is_saved(editor, draft):
    over_60, at_most_40 = (GROWN | {"value": 60}), (GROWN | {"operator": "at_most", "value": 40})
    rules = [
        dated(30) | {"candidates": {"segment": "grown"}},
        dated(30) | {"id": "rest", "name": "Rest", "type": "bury", "effect": {"factor": 0.5},
                     "candidates": at_most_40},
    ]  # fmt: skip
    services.edit_revision(draft, 1, {"segments": [segment(condition=over_60)], "dating.rules": rules})
    at = address(draft, "segments", "grown")
    data = form_of(editor, at) | {"condition": json.dumps(GROWN)}
    answer = editor.post(at, data)
    assert answer.status_code == 422
    assert "Newcomers and Rest push the same candidates up and down." in answer.content.decode()
    assert said(draft, "segments")[0]["condition"] == over_60
    assert editor.post(at, data | {"anyway": "1"}).status_code == 302
    assert said(draft, "segments")[0]["condition"] == GROWN


def test_two_flags_over_one_knob_are_said_in_the_form_and_beside_the_list(editor, draft):
    starts, ends = (f"{now() + timedelta(days=d):%Y-%m-%dT%H:%M:%SZ}" for d in (-1, 9))
    flags = [flag(key=key, name=key.title(), starts_at=starts, ends_at=ends) for key in ("bolder", "shy")]
    draft = services.edit_revision(draft, 1, {"flags": flags[:1]})
    with_both = services.edit_revision(draft, draft.version, {"flags": flags})
    page = editor.get(reverse("admin:draft_entries", args=[with_both.pk, "flags"])).content.decode()
    assert "Bolder and Shy both turn diversity: whoever has both gets what Shy says." in page
    where = address(with_both, "flags", "shy")
    data = form_of(editor, where)
    page = editor.post(where, data | {"name": "Timid"}).content.decode()
    assert "Bolder and Timid both turn diversity" in page
    assert editor.post(where, data | {"reason": "Another"}).status_code == 302  # brings nothing that is new


def test_what_each_rule_and_flag_did_of_late_is_said_beside_it(editor, draft):
    cap = rule(id="often", type="cap", effect={"daily": 5, "hourly": 0})
    away = rule(id="away", type="cooldown", effect={"days": 9})
    turning, read_by_the_app = flag(key="trial"), flag(key="app", surface=None, overrides={})
    changes = {"dating.rules": [cap, away], "flags": [turning, read_by_the_app]}
    draft = services.edit_revision(draft, draft.version, changes, actor=None)
    services.publish_revision(draft, actor=None, note="")
    met = {"deliveries": 2, "touched": 5, "shown": 3, "ranked": 10, "places": 6}
    counts = {"often": met | {"standing": 4}, "away": met | {"cooled_lists": 1, "kept_away": 7}}
    RecentFigure.objects.create(
        surface="dating", effects=counts, flags={"trial": {"on": 3, "lists": 12}}, counted_at=now()
    )
    page = editor.get(reverse("admin:entries", args=["rules"])).content.decode()
    assert (
        "in 2 lists it met 50.0% of who was ranked there and 50.0% of their places (3 of 6); "
        "4 stand at it now" in page
    )
    assert "kept 7 away from 1 list who could have been shown again" in page
    page = editor.get(reverse("admin:entries", args=["flags"])).content.decode()
    assert "on in 3 of the latest 12 lists (25.0%)" in page
    assert "the app reads it; no list depends on it" in page


@pytest.mark.parametrize("part", ["rules", "segments", "flags", "experiments"])
def test_an_empty_part_says_what_to_do(editor, part):
    page = editor.get(reverse("admin:entries", args=[part])).content.decode()
    assert "Edit starts a draft" in page


def test_a_condition_is_counted_or_refused_with_its_path(editor):
    def ask(**body: Any) -> Any:
        return editor.post(reverse("admin:match"), json.dumps(body), content_type="application/json")

    found = ask(condition=GROWN, of="member", surface="dating")
    assert (found.status_code, found.json()["words"]) == (200, "age at least 30 years")
    wrong = ask(condition={"all": [{**GROWN, "operator": "like"}]}, of="member")
    assert (wrong.status_code, wrong.json()["path"]) == (422, "all.0.operator")
    assert (
        editor.post(reverse("admin:match"), "[" * 50_000, content_type="application/json").status_code == 400
    )


def test_a_condition_that_comes_as_a_form_is_refused_not_broken(editor):
    answer = editor.post(reverse("admin:match"), {"condition": "{}"})
    assert (answer.status_code, answer.json()["error"]) == (400, "This can't be read.")


def test_examples_of_a_condition_name_no_member(editor, monkeypatch):
    london = make_market()
    someone = make_member("ann-17", london, birth_date=date(now().year - 30, 1, 1), crafts=["editing"])
    found = {"matched": 1, "of": 1, "numbers": [someone.number]}
    monkeypatch.setattr(matching, "_found", lambda *_: dict(found))
    body = json.dumps({"condition": GROWN, "of": "member", "surface": "dating"})
    answer = editor.post(reverse("admin:match"), body, content_type="application/json")
    (example,) = answer.json()["examples"]
    assert example.startswith(f"30, {london.name}, editing")
    assert someone.display_name not in answer.content.decode()
    assert "ann-17" not in answer.content.decode()


def test_an_unknown_part_is_not_found(editor, draft):
    assert editor.get(reverse("admin:entries", args=["nothing"])).status_code == 404
    assert editor.get(address(draft, "rules", "gone")).status_code == 302


@pytest.mark.parametrize("part", ["rules", "segments", "flags", "experiments"])
def test_every_part_of_a_draft_leads_to_every_other_one(editor, draft, part):
    pages = [
        reverse("admin:draft_entries", args=[draft.pk, part]),
        reverse("admin:draft_governance", args=[draft.pk]),
    ]
    for page in (editor.get(one).content.decode() for one in pages):
        assert reverse("admin:draft_edit", args=[draft.pk, "dating"]) in page
        assert reverse("admin:draft_entries", args=[draft.pk, part]) in page
        assert reverse("admin:draft_governance", args=[draft.pk]) in page


def test_a_difference_says_conditions_knobs_and_variants_in_words(editor, draft):
    parts = {"dating.rules": [rule()], "flags": [flag()], "experiments": [experiment()]}
    services.publish_revision(services.edit_revision(draft, 1, parts), actor=None, note="x")
    other = [
        {"key": "control", "name": "As it is", "weight": 0.7, "overrides": {}},
        {"key": "spread", "name": "Spread", "weight": 0.3, "overrides": {"hold_minutes": 45}},
    ]
    parts = {
        "dating.rules": [rule(viewers=GROWN, effect={"factor": 2.0})],
        "flags": [flag(overrides={"diversity": 0.2})],
        "experiments": [experiment(variants=other, phase=2)],
    }
    changed = services.edit_revision(services.start_revision(actor=None), 1, parts)
    page = editor.get(reverse("admin:draft_review", args=[changed.pk])).content.decode()
    for words in ("age at least 30 years", "factor 2.0", "Diversity 0.2", "Spread 30% (Hold 45 minutes)"):
        assert words in page
    assert "&quot;" not in page, "no JSON"
