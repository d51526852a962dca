"""Lock-out, ended sessions, saying again who one is, and what the browser is told not to run."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.common.models import AuditEntry
from apps.console.access.lockout import client_address
from apps.console.access.verified import CONFIRMED
from apps.console.roles import ensure_staff
from apps.delivery.reach import measure_reach
from apps.members.models import Member
from apps.releases.models import LiveRelease, Revision
from apps.releases.services import edit_revision, start_revision
from tests.console.people import staff
from tests.console.town import build_town

pytestmark = pytest.mark.django_db
PASSWORD = "a long pass phrase"


def sign_in(address: str, password: str, username: str = "ann") -> int:
    data = {"username": username, "password": password}
    return Client(REMOTE_ADDR=address).post(reverse("admin:login"), data).status_code


def long_ago(client: Client) -> None:
    """The login of this client is an hour old."""
    session = client.session
    session[CONFIRMED] -= 3600
    session.save()


def a_draft(by: User) -> Revision:
    draft = start_revision(actor=by)
    edit_revision(draft, draft.version, {"dating.daily_cap": 150}, actor=by)
    measure_reach(draft)
    draft.refresh_from_db()
    return draft


def test_five_wrong_passwords_lock_the_name_out_from_that_address_alone():
    ensure_staff("ann", PASSWORD, "editor")
    for _ in range(4):
        assert sign_in("10.0.0.66", "wrong") == 200
    assert sign_in("10.0.0.66", "wrong") == 429
    assert sign_in("10.0.0.66", PASSWORD) == 429, "not even with the right one, for a while"
    assert sign_in("10.0.0.7", PASSWORD) == 302, "whoever guesses locks nobody else out"
    ensure_staff("bea", PASSWORD, "editor")
    assert sign_in("10.0.0.66", PASSWORD, "bea") == 302


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "6.6.6.6", "10.0.0.1"),
        (1, "6.6.6.6, 7.7.7.7", "7.7.7.7"),
        (2, "6.6.6.6, 7.7.7.7, 8.8.8.8", "7.7.7.7"),
        (1, "", "10.0.0.1"),
    ],
)
def test_only_what_our_own_proxies_say_counts_as_the_address(settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    request = RequestFactory(REMOTE_ADDR="10.0.0.1").get("/", **headers)
    if proxies and not forwarded:
        assert client_address(request) in ("", address)
    else:
        assert client_address(request) == address


def test_a_page_opens_to_nobody_without_its_right(safety):
    for role in ("viewer", "editor", "approver", "administrator"):
        assert staff(role).get(reverse("admin:safety")).status_code == 403
    assert safety.get(reverse("admin:safety")).status_code == 200


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_a_session_ends_when_its_user_is_disabled(change: dict[str, Any]):
    client = staff("editor")
    assert client.get(reverse("admin:index")).status_code == 200
    User.objects.filter(pk=client.user.pk).update(**change)
    assert client.get(reverse("admin:index")).status_code == 302
    assert client.post(reverse("admin:draft_start")).status_code == 302


def test_a_role_taken_away_counts_from_the_next_request():
    client = staff("approver")
    client.user.groups.clear()
    assert client.get(reverse("admin:policies")).status_code == 403


def test_a_publish_long_after_the_login_asks_who_it_is_and_then_goes_on_with_what_was_posted():
    draft = a_draft(ensure_staff("ed", PASSWORD, "editor"))
    client, before = staff("approver"), LiveRelease.objects.get().stable_id
    long_ago(client)
    address = reverse("admin:draft_publish", args=[draft.pk])
    posted = {"version": draft.version, "note": "Fewer a day"}
    page = client.post(address, posted).content.decode()
    assert "Confirm that it is you" in page
    assert 'name="note" value="Fewer a day"' in page
    wrong = client.post(address, {**posted, "confirm_password": "wrong"}).content.decode()
    assert "This password is not right." in wrong
    assert LiveRelease.objects.get().stable_id == before
    assert client.post(address, {**posted, "confirm_password": PASSWORD}).status_code == 302
    assert LiveRelease.objects.get().stable.note == "Fewer a day"


def test_a_roll_back_asks_nothing():
    draft = a_draft(ensure_staff("ed", PASSWORD, "editor"))
    client, before = staff("approver"), LiveRelease.objects.get().stable_id
    posted = {"version": draft.version, "note": "Fewer a day"}
    client.post(reverse("admin:draft_publish", args=[draft.pk]), posted)
    live = LiveRelease.objects.get().stable_id
    assert live != before
    long_ago(client)
    client.post(reverse("admin:release_roll_back", args=[before]), {"expected": live, "note": "Back"})
    assert LiveRelease.objects.get().stable_id == before


def test_erasing_and_exporting_ask_again_need_a_reason_and_stand_in_the_trail(safety):
    build_town(members=10, days=1)
    member = Member.objects.get(external_id="m-00001")
    export = reverse("admin:member_export", args=["m-00001"])
    erase = reverse("admin:member_erase", args=["m-00001"])
    long_ago(safety)
    assert "Confirm that it is you" in safety.post(export, {"note": "They asked"}).content.decode()
    data = safety.post(export, {"note": "They asked", "confirm_password": PASSWORD}).json()
    assert data["member"]["id"] == "m-00001"
    assert safety.post(export, {"note": ""})["Location"] == reverse("admin:member_data", args=["m-00001"])
    safety.post(erase, {"note": "They asked", "typed": "m-00002"})
    assert Member.objects.filter(pk=member.pk).exists(), "another id was typed"
    safety.post(erase, {"note": "They asked", "typed": "m-00001"})
    assert not Member.objects.filter(pk=member.pk).exists()
    acts = AuditEntry.objects.filter(subject=f"member {member.pk}", kind="act").order_by("id")
    assert [(act.action, act.after["reason"]) for act in acts] == [
        ("member.exported", "They asked"),
        ("member.erased", "They asked"),
    ]


def test_every_admin_page_tells_the_browser_what_not_to_run(editor):
    policy = editor.get(reverse("admin:index"))["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "object-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    scripts = policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe-inline" not in scripts
    assert "Content-Security-Policy" in Client().get(reverse("admin:login"))


def test_a_member_is_stopped_and_lifted_from_the_safety_page_with_a_reason(safety):
    build_town(members=10, days=1)
    address = reverse("admin:safety_stop")
    safety.post(address, {"do": "stop", "kind": "member", "id": "m-00001", "note": ""})
    assert Member.objects.get(external_id="m-00001").stopped_at is None, "no reason, no stop"
    safety.post(address, {"do": "stop", "kind": "member", "id": "m-00001", "note": "Reported by three"})
    assert Member.objects.get(external_id="m-00001").stopped_at is not None
    page = safety.get(reverse("admin:safety")).content.decode()
    assert "Reported by three" in page
    safety.post(address, {"do": "lift", "kind": "member", "id": "m-00001", "note": "A mistake"})
    assert Member.objects.get(external_id="m-00001").stopped_at is None
    assert (
        "There is no such place"
        in safety.post(
            address, {"do": "stop", "kind": "place", "id": "nothing", "note": "Why not"}, follow=True
        ).content.decode()
    )
