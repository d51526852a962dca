"""Lists of large tables, the members' page, service keys: what staff may see and do, and what it costs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from apps.api.models import ServiceKey
from apps.common.clock import today
from apps.common.models import AuditEntry
from apps.common.staff import LargeInspectAdmin
from apps.console.inspect.delivery_page import funnel_of
from apps.console.inspect.why_not import bars_of, caps_of
from apps.interactions.models import Delivery, Event, Relationship
from apps.members.models import Member
from apps.places.models import CuratedList, CuratedListItem, Place
from apps.releases.models import SurfaceLimit
from apps.surfaces.models import Market
from tests.console.inputs import inputs_of
from tests.console.people import opened
from tests.console.town import build_town

pytestmark = pytest.mark.django_db

LARGE = [
    "members_member",
    "places_place",
    "interactions_event",
    "interactions_relationship",
    "interactions_delivery",
]


def rows_of(client: Client, address: str) -> Any:
    return client.get(address).context["cl"]


def queries(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in captured]


@pytest.mark.parametrize("model", LARGE)
def test_a_large_list_costs_the_same_few_queries_for_two_rows_and_for_a_page(editor, model):
    build_town(members=30, places=30, days=2, lists_a_day=30)
    address = reverse(f"admin:{model}_changelist")
    full = queries(editor, address)
    names = {"members_member": "m-00001", "places_place": "p-0001"}
    few = queries(editor, address + f"?q={names.get(model, 'm-00001')}")
    assert len(full) <= 12
    assert abs(len(full) - len(few)) <= 4  # the estimate and the search, never one per row


@pytest.mark.parametrize("model", LARGE)
def test_a_large_list_never_counts_or_skips_rows(editor, model):
    build_town(members=30, places=30, days=1)
    sql = " ".join(queries(editor, reverse(f"admin:{model}_changelist")))
    assert "OFFSET" not in sql
    assert "COUNT(*)" not in sql  # Django's spelling; the estimate's bounded count is in small letters


@pytest.mark.parametrize("model", LARGE)
def test_next_and_previous_visit_every_row_once(safety, model):
    build_town(members=60, places=60, days=2, lists_a_day=20)
    address = reverse(f"admin:{model}_changelist")
    seen: list[Any] = []
    pages = [rows_of(safety, address)]
    while pages[-1].paginator.following:
        pages.append(rows_of(safety, address + pages[-1].paginator.following))
        assert len(pages) < 20
    for page in pages:
        seen += [row.pk for row in page.result_list]
    tables = {
        "members_member": Member,
        "places_place": Place,
        "interactions_event": Event,
        "interactions_relationship": Relationship,
        "interactions_delivery": Delivery,
    }
    assert len(pages) >= 2
    assert sorted(map(str, seen)) == sorted(
        str(pk) for pk in tables[model].objects.values_list("pk", flat=True)
    )
    back = rows_of(safety, address + pages[-1].paginator.previous)
    assert [row.pk for row in back.result_list] == [row.pk for row in pages[-2].result_list]


@pytest.mark.parametrize(
    "key", ["", "x", "[1]", "[null,null]", '["2026-01-01","no"]', "\x00", json.dumps([1, 2, 3])]
)
@pytest.mark.parametrize("model", LARGE)
def test_a_page_key_that_is_none_is_no_error(editor, model, key):
    assert editor.get(reverse(f"admin:{model}_changelist"), {"after": key}).status_code == 200


@pytest.mark.parametrize("model", LARGE)
@pytest.mark.parametrize("term", ["\x00", "'; --", "%", "99999999999999999999", "ä" * 300])
def test_a_strange_search_is_no_error(editor, model, term):
    assert editor.get(reverse(f"admin:{model}_changelist"), {"q": term}).status_code == 200


def test_members_are_found_by_id_or_the_start_of_a_name_and_not_by_its_middle(editor):
    build_town(members=30, days=1)
    address = reverse("admin:members_member_changelist")
    editor.post(f"{address}?q=m-00003", {"reason": "A test"})
    found = {
        term: [m.external_id for m in rows_of(editor, f"{address}?q={term}").result_list]
        for term in ("m-00003", "ada", "Ada", "da A")
    }
    assert found == {
        "m-00003": ["m-00003"],
        "ada": ["m-00000", "m-00027"],
        "Ada": ["m-00000", "m-00027"],
        "da A": [],
    }


def press(client: Client, page: str, pk: Any, button: str) -> int:
    return client.post(
        reverse(f"admin:{page}_change", args=[pk]), {"button": button, "note": "Because of a test"}
    ).status_code


@pytest.mark.parametrize(
    ("button", "field", "value"),
    [("hide", "visibility", "hidden"), ("stop", "stopped_at", "set")],
)
def test_staff_hide_and_stop_members_through_the_service(safety, button, field, value):
    build_town(members=10, days=1)
    member = Member.objects.get(external_id="m-00001")
    assert press(safety, "members_member", member.pk, button) == 302
    member.refresh_from_db()
    stored = getattr(member, field)
    assert (stored == value) if value != "set" else stored is not None
    undo = {"hide": "show", "stop": "unstop"}[button]
    press(safety, "members_member", member.pk, undo)
    member.refresh_from_db()
    assert (member.visibility, member.stopped_at) == ("visible", None)


def test_a_button_that_is_not_offered_is_refused(editor):
    build_town(members=10, days=1)
    member = Member.objects.get(external_id="m-00001")
    assert press(editor, "members_member", member.pk, "unstop") == 403
    assert press(editor, "members_member", member.pk, "erase") == 403


def test_members_are_neither_added_nor_deleted_in_the_admin(approver):
    build_town(members=10, days=1)
    member = Member.objects.get(external_id="m-00001")
    assert approver.get(reverse("admin:members_member_add")).status_code == 403
    assert approver.post(reverse("admin:members_member_delete", args=[member.pk])).status_code == 403


def test_what_a_member_wrote_is_escaped(editor):
    build_town(members=10, days=1)
    attack = "<script>alert(1)</script>"
    member = Member.objects.first()
    Member.objects.update(display_name=attack[:100], bio=attack, crafts=[attack], interests={attack: 1})
    for address in ("admin:members_member_changelist", "admin:members_member_change"):
        args = [member.pk] if address.endswith("change") else []
        page = opened(editor, reverse(address, args=args))
        assert attack not in page
        assert escape(attack) in page


@pytest.mark.parametrize(
    ("model", "states", "open_to_all"),
    [
        ("interactions_relationship", ["passed", "blocked", "reported"], "liked"),
        ("interactions_event", ["pass", "block", "unblock", "report", "feedback", "undo"], "like"),
    ],
)
def test_what_one_side_keeps_to_itself_is_there_for_trust_and_safety_alone(
    editor, safety, model, states, open_to_all
):
    build_town(members=10, days=1)
    kept = apps.get_model(model.replace("_", ".", 1))
    field = "type" if kept is Event else "state"
    row = kept.objects.first()
    copies = {}
    for value in [*states, open_to_all]:
        row.pk, row._state.adding = (uuid4() if kept is Event else None), True
        setattr(row, field, value)
        if kept is Relationship:
            row.target += 1
        row.save()
        copies[value] = row.pk
    listing = reverse(f"admin:{model}_changelist")
    for client, sees in ((editor, False), (safety, True)):
        offered = client.get(listing).content.decode()
        for value in states:
            shown = {one.pk for one in rows_of(client, f"{listing}?{field}__exact={value}").result_list}
            assert (copies[value] in shown) is sees
            assert (f"{field}__exact={value}" in offered) is sees
            page = client.get(reverse(f"admin:{model}_change", args=[copies[value]]))
            assert page.status_code == (200 if sees else 302)  # the reason is asked for; there is no such row
        assert f"{field}__exact={open_to_all}" in offered


def test_whom_a_member_looks_for_is_there_for_trust_and_safety_alone(editor, safety):
    build_town(members=10, days=1)
    for client, sees in ((editor, False), (safety, True)):
        page = opened(client, reverse("admin:members_member_change", args=[Member.objects.first().pk]))
        assert ("Who they look for" in page) is sees


def test_a_place_is_hidden_through_the_service(editor):
    build_town(members=10, days=1)
    place = Place.objects.get(external_id="p-0001")
    assert press(editor, "places_place", place.pk, "hide") == 302
    place.refresh_from_db()
    assert (place.visibility, place.tags) == ("hidden", ["quiet"])


def test_a_curated_list_is_made_and_reordered_in_the_admin(editor):
    build_town(members=10, days=1)
    CuratedList.objects.all().delete()
    one, two = Place.objects.order_by("number")[:2]
    data = {
        "title": "First",
        "external_id": "first",
        "owner": "Travel desk",
        "market": Market.objects.get(key="lisbon").pk,
        "starts_on": today().isoformat(),
        "ends_on": (today() + timedelta(days=3)).isoformat(),
        "items-TOTAL_FORMS": "2",
        "items-INITIAL_FORMS": "0",
        "items-MIN_NUM_FORMS": "0",
        "items-MAX_NUM_FORMS": "1000",
        "items-0-place": one.pk,
        "items-0-position": "2",
        "items-1-place": two.pk,
        "items-1-position": "1",
    }
    assert editor.post(reverse("admin:places_curatedlist_add"), data).status_code == 302
    items = CuratedListItem.objects.order_by("position").values_list("place", flat=True)
    assert list(items) == [two.pk, one.pk]


def list_form(client: Client, curated: CuratedList) -> dict[str, Any]:
    return inputs_of(
        client.get(reverse("admin:places_curatedlist_change", args=[curated.pk])).content.decode()
    )


def test_the_second_of_two_who_edit_a_curated_list_is_told_so_and_overwrites_nothing(editor):
    build_town(members=10, days=1)
    curated = CuratedList.objects.first()
    address = reverse("admin:places_curatedlist_change", args=[curated.pk])
    first, second = list_form(editor, curated), list_form(editor, curated)
    assert editor.post(address, first | {"title": "Theirs"}).status_code == 302
    answer = editor.post(address, second | {"title": "Mine"})
    assert answer.status_code == 200
    assert "Somebody changed this list after you opened it." in answer.content.decode()
    curated.refresh_from_db()
    assert curated.title == "Theirs"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"external_id": "a/b"}, "An id has no slash"),
        ({"starts_on": "1700-01-01"}, "1900"),
        ({"starts_on": "2030-01-02", "ends_on": "2030-01-01"}, "ends_on may not be before starts_on."),
    ],
)
def test_what_a_curated_list_can_not_be_is_said_in_its_form(editor, values, sentence):
    add = reverse("admin:places_curatedlist_add")
    form = inputs_of(editor.get(add).content.decode())
    said = {"title": "Odd", "external_id": "odd", "owner": "Travel desk"}
    said |= {"starts_on": "2030-01-01", "ends_on": "2030-01-09"}
    answer = editor.post(add, form | said | values)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not CuratedList.objects.filter(title="Odd").exists()


def test_an_editor_of_other_surfaces_reads_curated_lists_and_changes_none(editor):
    build_town(members=10, days=1)
    curated = CuratedList.objects.first()
    address = reverse("admin:places_curatedlist_change", args=[curated.pk])
    form = list_form(editor, curated)
    user = User.objects.get(pk=editor.session["_auth_user_id"])
    SurfaceLimit.objects.create(user=user, surfaces=["dating"])
    assert editor.get(address).status_code == 200
    assert editor.post(address, form | {"title": "Mine"}).status_code == 403
    assert editor.get(reverse("admin:places_curatedlist_add")).status_code == 403
    delete = {"action": "delete_selected", "_selected_action": [curated.pk], "post": "yes"}
    editor.post(reverse("admin:places_curatedlist_changelist"), delete)
    assert CuratedList.objects.filter(pk=curated.pk).exists()


def test_an_editor_of_other_surfaces_hides_no_place(editor):
    build_town(members=10, days=1)
    place = Place.objects.first()
    user = User.objects.get(pk=editor.session["_auth_user_id"])
    SurfaceLimit.objects.create(user=user, surfaces=["dating"])
    assert press(editor, "places_place", place.pk, "hide") == 403
    page = editor.get(reverse("admin:places_place_change", args=[place.pk])).content.decode()
    assert "Nobody is shown this place" not in page
    SurfaceLimit.objects.update(surfaces=["travel"])
    press(editor, "places_place", place.pk, "hide")
    place.refresh_from_db()
    assert place.visibility == "hidden"


def test_a_service_key_is_shown_once_and_works_until_it_is_revoked(administrator):
    data = {"name": "App", "scopes": ["recommend:read", "events:write"]}
    answer = administrator.post(reverse("admin:api_servicekey_add"), data)
    key = ServiceKey.objects.get(name="App")
    secret = answer.context["secret"]
    assert secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert ServiceKey.objects.is_valid(secret)
    page = administrator.get(reverse("admin:api_servicekey_change", args=[key.pk])).content.decode()
    assert secret not in page
    press(administrator, "api_servicekey", key.pk, "revoke")
    assert not ServiceKey.objects.is_valid(secret)
    actions = list(
        AuditEntry.objects.filter(subject=f"service key {key.prefix}", kind="act").values_list(
            "action", flat=True
        )
    )
    assert sorted(actions) == ["service_key.created", "service_key.revoked"]
    assert secret.partition(".")[2] not in json.dumps(
        list(AuditEntry.objects.values_list("after", flat=True))
    )


def test_a_key_without_scopes_is_not_made(administrator):
    assert administrator.post(reverse("admin:api_servicekey_add"), {"name": "App"}).status_code == 200
    assert not ServiceKey.objects.exists()


def test_editors_neither_see_nor_make_keys(editor):
    assert editor.get(reverse("admin:api_servicekey_changelist")).status_code == 403
    assert editor.get(reverse("admin:api_servicekey_add")).status_code == 403


def test_a_delivery_shows_ranks_sources_propensities_reasons_and_stages(safety):
    build_town(members=30, days=1)
    delivery = Delivery.objects.filter(surface="dating").exclude(candidates=[]).first()
    page = opened(safety, reverse("admin:interactions_delivery_change", args=[delivery.pk]))
    for text in (
        "0.125",
        "friends of friends",
        "You both work in film",
        "2 mutual connections; Within 5 km",
        "guard",
    ):
        assert text in page


@pytest.mark.parametrize("model", ["member", "delivery", "event", "relationship"])
def test_a_page_about_one_member_asks_why_and_keeps_the_reason(safety, model):
    build_town(members=10, days=1)
    app = "members" if model == "member" else "interactions"
    row = apps.get_model(app, model).objects.order_by("pk").first()
    number = {"member": "number", "delivery": "viewer"}.get(model, "actor")
    member = Member.objects.get(number=getattr(row, number))
    address = reverse(f"admin:{app}_{model}_change", args=[row.pk])
    asked = safety.get(address).content.decode()
    assert f"Why do you look at {member.external_id}?" in asked
    assert member.display_name not in asked
    assert safety.post(address, {"reason": " "}).status_code == 422
    assert safety.post(address, {"reason": "A complaint"}).status_code == 302
    assert not AuditEntry.objects.filter(action="member.looked_at").exists()
    assert member.display_name in safety.get(address).content.decode().replace("&#x27;", "'")
    entry = AuditEntry.objects.get(action="member.looked_at")
    assert (entry.actor, entry.subject) == (safety.user, f"member {member.external_id}")
    assert entry.after == {"page": model, "reason": "A complaint"}
    safety.get(address)
    assert AuditEntry.objects.filter(action="member.looked_at").count() == 2, "each look is logged"


@pytest.mark.parametrize("model", ["delivery", "event", "relationship"])
def test_a_search_for_what_one_member_did_asks_why_and_is_logged(safety, model):
    build_town(members=10, days=1)
    row = apps.get_model("interactions", model).objects.order_by("pk").first()
    member = Member.objects.get(number=row.viewer if model == "delivery" else row.actor)
    address = reverse(f"admin:interactions_{model}_changelist") + f"?q={member.external_id}"
    asked = safety.get(address)
    assert f"Why do you look at {member.external_id}?" in asked.content.decode()
    assert "cl" not in (asked.context or {}), "no row was read"
    assert safety.post(address, {"reason": ""}).status_code == 422
    assert safety.post(address, {"reason": "A complaint"}).url == address
    found = safety.get(address).context["cl"].result_list
    assert row.pk in {one.pk for one in found}
    (entry,) = AuditEntry.objects.filter(action="member.looked_at")
    assert entry.subject == f"member {member.external_id}"
    assert entry.after["reason"] == "A complaint"
    assert entry.after["page"].endswith(", searched")


@pytest.mark.parametrize("page", ["members_member_changelist", "member_data"])
def test_a_member_searched_by_id_and_the_page_of_their_data_ask_why_and_are_logged(safety, page):
    build_town(members=10, days=1)
    member = Member.objects.get(external_id="m-00003")
    searched = page == "members_member_changelist"
    address = reverse(f"admin:{page}", args=[] if searched else ["m-00003"]) + "?q=m-00003" * searched
    asked = safety.get(address).content.decode()
    assert "Why do you look at m-00003?" in asked
    assert member.display_name not in asked
    assert safety.post(address, {"reason": ""}).status_code == 422
    assert safety.post(address, {"reason": "A complaint"}).url == address
    assert member.display_name in safety.get(address).content.decode().replace("&#x27;", "'")
    (entry,) = AuditEntry.objects.filter(action="member.looked_at")
    assert (entry.subject, entry.after["reason"]) == ("member m-00003", "A complaint")


def test_a_search_that_means_no_member_asks_nothing(editor):
    build_town(members=10, days=1)
    delivery = Delivery.objects.first()
    for term in ("nobody", str(delivery.pk)):
        page = editor.get(reverse("admin:interactions_delivery_changelist"), {"q": term})
        assert page.context["cl"].query == term
    assert not AuditEntry.objects.filter(action="member.looked_at").exists()


def test_every_filter_beside_a_large_list_opens(approver):
    build_town(members=10, days=1)
    for model, page in admin.site._registry.items():
        if isinstance(page, LargeInspectAdmin):
            address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            cl = approver.get(address).context["cl"]
            for choice in (choice for spec in cl.filter_specs for choice in spec.choices(cl)):
                assert approver.get(address + choice["query_string"]).status_code == 200, choice


@pytest.mark.parametrize(
    "query",
    ["interactions_delivery_changelist?viewer=1", "interactions_event_changelist?actor=1",
     "interactions_relationship_changelist?target=1", "members_member_changelist?bio__contains=trains"],
)  # fmt: skip
def test_an_address_can_not_filter_by_more_than_the_filters_beside_the_list(editor, query):
    name, _, rest = query.partition("?")
    assert editor.get(reverse(f"admin:{name}") + f"?{rest}").status_code == 400


def test_who_likes_the_viewer_is_told_to_trust_and_safety_alone(editor, safety):
    build_town(members=30, days=1)
    delivery = Delivery.objects.filter(surface="dating").exclude(candidates=[]).first()
    delivery.sources = [0b10] * len(delivery.candidates)
    delivery.trace = [{"stage": "liked_you", "received": 9, "kept": 3}, *delivery.trace]
    Delivery.objects.filter(pk=delivery.pk).update(sources=delivery.sources, trace=delivery.trace)
    address = reverse("admin:interactions_delivery_change", args=[delivery.pk])
    for told in ("liked you", "Found by", "Propensity"):
        assert told not in opened(editor, address)
        assert told in opened(safety, address)
    Delivery.objects.filter(pk=delivery.pk).update(propensities=[0.123] * len(delivery.candidates))
    assert "0.123" not in opened(editor, address)
    assert "0.123" in opened(safety, address)


def test_the_audit_trail_can_not_be_changed_in_the_admin(approver):
    entry = AuditEntry.objects.first()
    assert (
        approver.post(reverse("admin:common_auditentry_change", args=[entry.pk]), {"action": "x"}).status_code
        == 403
    )
    assert approver.post(reverse("admin:common_auditentry_delete", args=[entry.pk])).status_code == 403


def test_a_page_that_says_nothing_is_found_by_djangos_checks() -> None:
    class Silent(LargeInspectAdmin):
        pass

    class Saying(Silent):
        def sections(self, request: Any, obj: Any) -> list[Any]:
            return []

    found = {page: [error.id for error in page(Member, admin.site).check()] for page in (Silent, Saying)}
    assert found == {Silent: ["staff.E001"], Saying: []}


def test_a_waterfall_says_weights_the_ranker_all_rules_together_and_caps():
    told = {
        "p": 0.5, "q": 0.25, "ranker": "heavy", "phi": 0.4, "multiplier": 0.6,
        "rules": [{"rule": "up", "factor": 1.5}, {"rule": "down", "factor": 0.4}],
        "features": {"activity": {"value": 0.5, "weight": -0.2, "contribution": -0.1}},
        "price": 0.0, "score": 0.14, "caps": {"daily": 60, "hourly": 0},
    }  # fmt: skip
    said = {label: text for label, text, _ in bars_of(told)}
    assert said == {
        "Viewer may like them (second look)": "+0.5000", "They may like the viewer (second look)": "+0.2500",
        "Both, by the rule": "+0.4000", "Rule up ×": "+1.5000", "Rule down ×": "+0.4000",
        "All rules together ×": "+0.6000", "Activity (weight -0.2)": "-0.1000", "Price": "+0.0000",
        "Score": "+0.1400",
    }  # fmt: skip
    assert caps_of(told) == "May be shown 60 times in 24 hours."
    both = caps_of({"caps": {"daily": 60, "hourly": 5}})
    assert both == "May be shown 60 times in 24 hours and 5 times in an hour."
    assert (caps_of({"caps": {"daily": 0, "hourly": 0}}), caps_of({})) == ("No cap.", "")


def test_a_source_that_broke_where_a_trip_leads_takes_nothing_from_what_it_found_at_home() -> None:
    trace = [
        {"stage": "filters", "received": 40, "kept": 30},
        {"stage": "taste", "received": 30, "kept": 12},
        {"stage": "score", "received": 12, "kept": 12},
        {"stage": "taste", "received": 9, "kept": 0, "lost": "ValueError", "market": "paris"},
        {"stage": "trip", "received": 9, "kept": 5, "market": "paris"},
    ]
    steps = {label: said for label, _, said in funnel_of(trace, without=frozenset())}
    assert steps["Proposed by a source"] == "taste 12"
