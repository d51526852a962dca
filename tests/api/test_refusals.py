"""Every refusal is a problem document: keys, scopes, methods, forms, rate, unforeseen errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DataError, IntegrityError, OperationalError
from django.test import Client
from django.utils import timezone

from apps.api import events, throttling
from apps.api.keys import KeyRing
from apps.api.models import Scope
from tests.api.conftest import Caller, MakeCaller
from tests.api.problem import assert_problem

CALLS = [
    ("GET /members/ada", Scope.MEMBERS_READ),
    ("PUT /members/ada", Scope.MEMBERS_WRITE),
    ("PATCH /members/ada", Scope.MEMBERS_WRITE),
    ("DELETE /members/ada", Scope.MEMBERS_WRITE),
    ("POST /members/bulk", Scope.MEMBERS_WRITE),
    ("PUT /members/ada/trips", Scope.MEMBERS_WRITE),
    ("POST /trips/bulk", Scope.MEMBERS_WRITE),
    ("PUT /connections/ada/grace", Scope.MEMBERS_WRITE),
    ("DELETE /connections/ada/grace", Scope.MEMBERS_WRITE),
    ("POST /connections/bulk", Scope.MEMBERS_WRITE),
    ("GET /places/bar", Scope.PLACES_WRITE),
    ("PUT /places/bar", Scope.PLACES_WRITE),
    ("DELETE /places/bar", Scope.PLACES_WRITE),
    ("POST /places/bulk", Scope.PLACES_WRITE),
    ("PUT /lists/best", Scope.PLACES_WRITE),
    ("DELETE /lists/best", Scope.PLACES_WRITE),
    ("POST /events", Scope.EVENTS_WRITE),
    ("GET /recommendations?surface=dating&member=ada", Scope.RECOMMEND_READ),
    ("POST /rankings", Scope.RECOMMEND_READ),
    ("GET /deliveries/0d7a2a52-5a0c-8f0e-9d2b-2f8f3d9f3a11/trace", Scope.EXPLAIN_READ),
    ("GET /explain?surface=dating&viewer=ada&candidate=grace", Scope.EXPLAIN_READ),
]


@pytest.fixture(autouse=True)
def full_buckets() -> Iterator[None]:
    throttling._buckets.clear()
    yield
    throttling._buckets.clear()


@pytest.mark.parametrize(("name", "scope"), CALLS)
def test_a_key_with_every_scope_but_the_needed_one_is_refused(
    caller_with: MakeCaller, name: str, scope: str
) -> None:
    caller = caller_with(*(other for other in Scope.values if other != scope))
    document = assert_problem(caller(name, {}), 403, "scope_missing")
    assert scope in document["detail"]


@pytest.mark.parametrize(("name", "scope"), CALLS)
def test_a_key_with_the_needed_scope_alone_passes(caller_with: MakeCaller, name: str, scope: str) -> None:
    assert caller_with(scope)(name, {}).status_code not in (401, 403)


@pytest.mark.parametrize(("name", "scope"), CALLS)
@pytest.mark.django_db
def test_without_a_key_nothing_is_answered(name: str, scope: str) -> None:
    response = Caller("")(name, {})
    assert_problem(response, 401, "key_missing")
    assert response["WWW-Authenticate"] == "Api-Key"


def test_a_dry_run_and_a_secret_need_their_own_scopes(caller_with: MakeCaller) -> None:
    reader = caller_with(Scope.RECOMMEND_READ)
    assert_problem(
        reader("GET /recommendations?surface=dating&member=ada&dry_run=true"), 403, "scope_missing"
    )
    assert_problem(
        reader("POST /rankings", {"surface": "dating", "member": "a", "candidates": ["b"], "dry_run": True}),
        403,
        "scope_missing",
    )
    explainer = caller_with(Scope.EXPLAIN_READ)
    asked = "GET /explain?surface=dating&viewer=a&candidate=b&private=true&reason=complaint"
    assert_problem(explainer(asked), 403, "scope_missing")


@pytest.mark.parametrize(
    "header",
    [
        "Api-Key {prefix}.wrong",
        "Api-Key {secret}x",
        "Bearer {secret}",
        "Api-Key",
        "Api-Key .",
        "Api-Key nobody.nothing",
        "Api-Key \xe9.\xe9",
        "{secret}",
    ],
)
@pytest.mark.parametrize("name", ["GET /members/ada", "GET /recommendations?surface=dating&member=ada"])
def test_a_wrong_key_is_refused(call: Caller, header: str, name: str) -> None:
    prefix = call.secret.partition(".")[0]
    said = header.format(secret=call.secret, prefix=prefix)
    assert_problem(call(name, Authorization=said), 401, "key_invalid")


@pytest.mark.parametrize("name", ["GET /members/ada", "GET /recommendations?surface=dating&member=ada"])
def test_a_revoked_or_expired_key_is_refused(caller_with: MakeCaller, name: str) -> None:
    revoked, expired = (caller_with(*Scope.values) for _ in range(2))
    assert revoked.row is not None
    assert expired.row is not None
    revoked.row.revoked = True
    revoked.row.save()
    expired.row.expiry_date = timezone.now()
    expired.row.save()
    for caller in (revoked, expired):
        assert_problem(caller(name), 401, "key_invalid")


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("POST /members/ada", {"GET", "PUT", "PATCH", "DELETE", "HEAD"}),
        ("GET /events", {"POST"}),
        ("OPTIONS /events", {"POST"}),
        ("POST /recommendations", {"GET"}),
        ("HEAD /recommendations", {"GET"}),
        ("GET /rankings", {"POST"}),
    ],
)
def test_another_method_is_refused_and_the_right_ones_are_named(
    call: Caller, name: str, allowed: set[str]
) -> None:
    response = call(name)
    assert response.status_code == 405
    assert {method.strip() for method in response["Allow"].split(",")} == allowed
    if not name.startswith("HEAD"):
        assert_problem(response, 405, "method_not_allowed")


@pytest.mark.parametrize("name", ["GET /members/ada", "GET /recommendations?surface=dating&member=ada"])
def test_a_caller_that_takes_no_json_is_told(call: Caller, name: str) -> None:
    assert_problem(call(name, Accept="text/html"), 406, "not_acceptable")
    for accepted in ("application/json", "*/*", "text/html, application/*;q=0.8"):
        assert call(name, Accept=accepted).status_code != 406


@pytest.mark.parametrize("name", ["POST /events", "POST /rankings", "PUT /members/ada"])
@pytest.mark.parametrize(
    "sent", ["text/plain", "multipart/form-data; boundary=x", "application/json; charset=latin-1"]
)
def test_a_body_that_is_not_json_is_refused(call: Caller, name: str, sent: str) -> None:
    assert_problem(call(name, b"{}", content_type=sent), 415, "unsupported_media_type")


def test_a_packed_body_is_refused(call: Caller) -> None:
    response = call("POST /events", b"\x1f\x8b", **{"Content-Encoding": "gzip"})
    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.django_db
def test_an_address_that_is_none_is_a_problem_too(call: Caller) -> None:
    assert_problem(call("GET /nothing"), 404, "not_found")
    assert_problem(call("GET /members/a/b/c"), 404, "not_found")


def test_too_many_requests_are_put_off_per_key(
    caller_with: MakeCaller, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_RATE_PER_SECOND, settings.API_RATE_BURST = 0.1, 3
    clock = [1000.0]
    monkeypatch.setattr(throttling.time, "monotonic", lambda: clock[0])
    first, second = (caller_with(*Scope.values) for _ in range(2))
    calls = ["GET /members/ada", "GET /recommendations?surface=x&member=a", "GET /members/ada"]
    for name in calls:
        assert first(name).status_code == 404
    for name in calls[:2]:
        response = first(name)
        assert_problem(response, 429, "too_many_requests")
        assert response["Retry-After"] == "10"
    assert second(calls[0]).status_code == 404
    clock[0] += 10
    assert first(calls[0]).status_code == 404
    assert_problem(first(calls[0]), 429, "too_many_requests")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("server closed the connection"), 503, "unavailable"),
        (DataError("integer out of range"), 400, "invalid"),
        (IntegrityError("duplicate key"), 409, "conflict"),
        (RuntimeError("secret detail"), 500, "internal"),
    ],
)
def test_what_goes_wrong_inside_says_nothing_of_the_inside(
    call: Caller, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(events, "record_events", fail)
    document = assert_problem(call("POST /events", []), status, code)
    assert str(error) not in str(document)


@pytest.mark.django_db
def test_a_key_is_kept_when_postgres_is_away_and_none_is_invented(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = KeyRing()
    ring.read()
    monkeypatch.setattr(ring, "_keep_fresh", lambda: None)
    assert ring.find(call.secret) is not None
    assert ring.find("nobody.nothing") is None


@pytest.mark.django_db
def test_answers_are_not_stored_on_the_way() -> None:
    for path in ("/health/live", "/metrics"):
        assert Client().get(path)["Cache-Control"] == "no-store"


def test_a_host_that_is_not_ours_is_a_problem_too(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["example.org"]
    response = Client().get("/api/v1/members/ada", headers={"Host": "elsewhere.org"})
    assert_problem(response, 400, "invalid")
