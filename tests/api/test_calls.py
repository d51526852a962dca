"""Each call does what the guide says, on real Postgres and Valkey."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.api.answers import EventsAnswer, ReadyAnswer, RowsAnswer
from apps.api.models import Scope, ServiceKey
from apps.common.clock import now
from apps.common.models import AuditEntry
from apps.interactions.models import Event
from apps.members.bodies import MemberBody
from apps.members.models import Member
from apps.places.bodies import PlaceBody
from apps.surfaces.models import Market
from tests.api.conftest import Caller
from tests.api.problem import assert_problem

HOME = {"latitude": 51.5074, "longitude": -0.1278, "market": "london"}
ADA: dict[str, Any] = {"display_name": "Ada", "status": "active", "birth_date": "1990-04-02", "home": HOME}
BAR = {"name": "Blue Door", "location": HOME, "category": "bar"}


def like(actor: str, target: str, **changes: Any) -> dict[str, Any]:
    said = {"id": str(uuid4()), "type": "like", "actor": actor, "target": target, "surface": "dating"}
    return said | {"occurred_at": now().isoformat()} | changes


def test_a_member_is_created_read_changed_replaced_and_erased(call: Caller, london: Market) -> None:
    created = call("PUT /members/ada", ADA)
    assert created.status_code == 201
    read = call("GET /members/ada").json()
    assert read == created.json()
    MemberBody.model_validate(read)
    patched = call("PATCH /members/ada", {"bio": "Hello", "birth_date": None})
    assert (patched.json()["bio"], patched.json()["birth_date"]) == ("Hello", None)
    assert patched.json()["home"] == read["home"]
    merged = call("PATCH /members/ada", {"bio": None}, content_type="application/merge-patch+json")
    assert merged.json()["bio"] == ""
    replaced = call("PUT /members/ada", {"display_name": "Ada L."})
    assert replaced.status_code == 200
    assert (replaced.json()["display_name"], replaced.json()["home"]) == ("Ada L.", None)
    assert call("DELETE /members/ada").status_code == 204
    assert_problem(call("GET /members/ada"), 404, "unknown_member")
    assert_problem(call("PATCH /members/ada", {}), 404, "unknown_member")


def test_the_exact_home_is_never_given_back(call: Caller, london: Market) -> None:
    home = call("PUT /members/ada", ADA).json()["home"]
    assert (home["latitude"], home["longitude"]) != (HOME["latitude"], HOME["longitude"])
    assert abs(home["latitude"] - HOME["latitude"]) < 0.03


def test_a_bulk_call_answers_in_order_and_a_bad_row_spoils_no_other(call: Caller, london: Market) -> None:
    rows: list[Any] = [
        ADA | {"id": "ada"},
        {"id": "nameless"},
        ADA,
        7,
        ADA | {"id": "far", "home": HOME | {"market": "atlantis"}},
        ADA | {"id": "grace"},
    ]
    response = call("POST /members/bulk", rows)
    results = RowsAnswer.model_validate(response.json()).results
    assert [(r.id, r.status, r.code, r.field) for r in results] == [
        ("ada", "created", None, None),
        ("nameless", "rejected", "missing", "display_name"),
        ("", "rejected", "missing", "id"),
        ("", "rejected", "wrong_type", None),
        ("far", "rejected", "unknown_market", "home.market"),
        ("grace", "created", None, None),
    ]
    assert set(Member.objects.values_list("external_id", flat=True)) == {"ada", "grace"}


def test_a_whole_refusal_writes_nothing(call: Caller, london: Market) -> None:
    rows = [ADA | {"id": "ada"}, ADA | {"id": "grace", "bio": "a\x00"}]
    assert_problem(call("POST /members/bulk", rows), 400, "invalid_text", "1.bio")
    assert not Member.objects.exists()


def test_trips_and_connections(call: Caller, london: Market) -> None:
    call("POST /members/bulk", [ADA | {"id": "ada"}, ADA | {"id": "grace"}])
    trip = {"market": "london", "starts_on": "2027-03-01", "ends_on": "2027-03-05"}
    assert call("PUT /members/ada/trips", {"trips": [trip]}).status_code == 204
    assert_problem(call("PUT /members/nobody/trips", {"trips": []}), 404, "unknown_member")
    bulk = call("POST /trips/bulk", [{"id": "ada", "trips": []}, {"id": "nobody", "trips": []}]).json()
    assert [row["status"] for row in bulk["results"]] == ["updated", "rejected"]
    assert call("PUT /connections/ada/grace", {"kind": "referral"}).status_code == 204
    assert_problem(call("PUT /connections/ada/nobody", {}), 404, "unknown_member")
    bulk = call("POST /connections/bulk", [{"a": "grace", "b": "ada"}, {"a": "ada"}]).json()
    assert [row["status"] for row in bulk["results"]] == ["updated", "rejected"]
    assert call("DELETE /connections/grace/ada").status_code == 204
    assert_problem(call("DELETE /connections/grace/ada"), 404, "unknown_connection")


def test_places_and_lists(call: Caller, london: Market) -> None:
    assert call("PUT /places/door", BAR).status_code == 201
    assert call("PUT /places/door", BAR).status_code == 200
    PlaceBody.model_validate(call("GET /places/door").json())
    curated = {"title": "Best", "owner": "Editorial", "starts_on": "2027-01-01", "ends_on": "2027-02-01"}
    assert call("PUT /lists/best", curated | {"places": ["door"]}).status_code == 201
    assert call("PUT /lists/best", curated | {"places": []}).status_code == 204
    assert_problem(call("PUT /lists/best", curated | {"places": ["none"]}), 422, "unknown_place")
    assert call("DELETE /lists/best").status_code == 204
    assert_problem(call("DELETE /lists/best"), 404, "unknown_list")
    bulk = call("POST /places/bulk", [BAR | {"id": "door"}, BAR]).json()["results"]
    assert [row["status"] for row in bulk] == ["updated", "rejected"]
    assert call("DELETE /places/door").status_code == 204
    assert_problem(call("GET /places/door"), 404, "unknown_place")


def test_events_are_stored_once_and_each_has_its_result(call: Caller, london: Market) -> None:
    call("POST /members/bulk", [ADA | {"id": "ada"}, ADA | {"id": "grace"}])
    first = like("ada", "grace")
    events = [
        first,
        like("ada", "nobody"),
        like("ada", "grace", type="wave"),
        like("grace", "ada", occurred_at=(now() + timedelta(minutes=6)).isoformat()),
        like("grace", "ada", occurred_at=(now() - timedelta(days=31)).isoformat()),
        like("grace", "ada", delivery=str(uuid4())),
        like("grace", "ada", occurred_at=(now() - timedelta(days=29)).isoformat()),
        "like",
    ]
    answer = EventsAnswer.model_validate(call("POST /events", events).json())
    assert [(r.status, r.code, r.field) for r in answer.results] == [
        ("accepted", None, None),
        ("rejected", "unknown_target", "target"),
        ("rejected", "unknown_value", "type"),
        ("rejected", "in_future", "occurred_at"),
        ("rejected", "too_old", "occurred_at"),
        ("rejected", "unknown_delivery", "delivery"),
        ("accepted", None, None),
        ("rejected", "wrong_type", None),
    ]
    again = call("POST /events", [first, first | {"target": "ada", "actor": "grace"}]).json()["results"]
    assert [(row["status"], row["code"]) for row in again] == [
        ("duplicate", None),
        ("rejected", "id_reused"),
    ]
    assert Event.objects.count() == 2


def test_a_private_explanation_leaves_an_audit_entry(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"shown": False}
    monkeypatch.setattr("apps.api.services.explain", lambda **_: told)
    asked = "GET /explain?surface=dating&viewer=ada&candidate=grace&private=true"
    assert_problem(call(asked), 400, "missing", "reason")
    assert not AuditEntry.objects.filter(action="explain.private").exists()
    assert call(f"{asked}&reason=complaint").json() == told
    entry = AuditEntry.objects.get(action="explain.private")
    assert (entry.actor_name, entry.subject) == ("test", "ada grace")
    assert entry.after == {"surface": "dating", "reason": "complaint"}


@pytest.mark.django_db
def test_health_tells_whether_lists_can_be_made() -> None:
    client = Client()
    assert client.get("/health/live").json() == {"status": "live"}
    ready = client.get("/health/ready")
    assert ready.status_code == (200 if ReadyAnswer.model_validate(ready.json()).ready else 503)


@pytest.mark.django_db
def test_metrics_count_what_was_answered(call: Caller) -> None:
    def answered() -> float:
        lines = Client().get("/metrics").content.decode().splitlines()
        wanted = 'raya_recs_requests_total{call="recommendations",status="404"}'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(wanted))

    before = answered()
    assert call("GET /recommendations?surface=dancing&member=ada").status_code == 404
    assert answered() == before + 1


@pytest.mark.django_db
def test_the_docs_page_needs_no_other_host() -> None:
    page = Client().get("/api/docs/")
    assert page.status_code == 200
    assert b"https://" not in page.content
    assert Client().get("/api/schema/").status_code == 200


@pytest.mark.django_db
def test_a_key_is_made_by_command_and_stored_hashed() -> None:
    out = io.StringIO()
    call_command("create_service_key", "app", scopes=["events:write"], stdout=out)
    secret = out.getvalue().strip()
    row = ServiceKey.objects.get(name="app")
    assert row.scopes == [Scope.EVENTS_WRITE]
    assert secret.partition(".")[2] not in row.hashed_key
    assert Caller(secret)("POST /events", []).json() == {"results": []}
    with pytest.raises(CommandError, match="There is no scope"):
        call_command("create_service_key", "app", scopes=["everything"])


@pytest.mark.django_db
def test_the_committed_schema_is_what_the_code_generates() -> None:
    call_command("check_openapi", stdout=io.StringIO(), stderr=io.StringIO())
