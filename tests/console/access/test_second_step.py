"""Two-factor login from the first login on, the lost phone, and the doors that stay shut meanwhile."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django_otp.oath import hotp, totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.common.models import AuditEntry
from apps.console.access.second_step import reset_second_step
from apps.console.roles import ensure_staff

pytestmark = pytest.mark.django_db
PASSWORD = "a long pass phrase"


@pytest.fixture(autouse=True)
def _two_factor(settings: Any) -> None:
    settings.TWO_FACTOR = True


@pytest.fixture
def ann() -> User:
    return ensure_staff("ann", PASSWORD, "approver")


def with_password(username: str = "ann") -> Client:
    client = Client()
    answer = client.post(reverse("admin:login"), {"username": username, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def code_now(user: User, steps: int = 0) -> str:
    """Each code counts once: `steps` later ones are as good while they are near."""
    device = TOTPDevice.objects.get(user=user)
    return f"{totp(device.bin_key, drift=steps):06d}"


def forget_wrong_codes() -> None:
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)


def set_up(client: Client, user: User) -> list[str]:
    client.get(reverse("admin:second_step"))
    page = client.post(reverse("admin:second_step"), {"code": code_now(user)}).content.decode()
    return re.findall(r"<code>(\w+)</code>", page)


def test_a_password_alone_opens_no_page_but_the_second_step(ann):
    client = with_password()
    for page in ("index", "policies", "members_member_changelist", "safety", "logout"):
        address = reverse(f"admin:{page}")
        answer = client.get(address)
        if page == "logout":
            continue
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("admin:second_step"))
    assert client.post(reverse("admin:draft_start")).status_code == 302
    assert not AuditEntry.objects.filter(action="revision.started").exists()


def test_the_first_login_sets_up_an_authenticator_and_gives_recovery_codes_once(ann):
    client = with_password()
    page = client.get(reverse("admin:second_step")).content.decode()
    assert "data:image/svg+xml" in page
    wrong = client.post(reverse("admin:second_step"), {"code": "000000"}).content.decode()
    assert "This code is not right" in wrong
    forget_wrong_codes()
    codes = set_up(client, ann)
    assert len(codes) == 10
    assert client.get(reverse("admin:index")).status_code == 200
    assert AuditEntry.objects.filter(action="second_step.set_up", actor=ann).exists()
    again = client.get(reverse("admin:second_step"))
    assert again.status_code == 302, "the codes are not shown twice"


def test_the_next_login_asks_for_a_code_and_leads_to_the_page_that_was_asked_for(ann):
    set_up(with_password(), ann)
    client = with_password()
    wanted = reverse("admin:policies")
    asked = client.get(wanted)
    step = asked["Location"]
    assert "data:image" not in client.get(step).content.decode(), "no second authenticator is offered"
    passed = client.post(step, {"code": code_now(ann, steps=1)})
    assert (passed.status_code, passed["Location"]) == (302, wanted)
    assert client.get(wanted).status_code == 200


def test_a_code_counts_once(ann):
    set_up(with_password(), ann)
    device = TOTPDevice.objects.get(user=ann)
    used = f"{hotp(device.bin_key, device.last_t):06d}"
    client = with_password()
    page = client.post(reverse("admin:second_step"), {"code": used})
    assert page.status_code == 200
    assert "each counts once" in page.content.decode()


def test_a_recovery_code_signs_in_once(ann):
    codes = set_up(with_password(), ann)
    client = with_password()
    assert client.post(reverse("admin:second_step"), {"code": codes[0]}).status_code == 302
    assert client.get(reverse("admin:index")).status_code == 200
    other = with_password()
    assert other.post(reverse("admin:second_step"), {"code": codes[0]}).status_code == 200


def test_wrong_codes_are_slowed_down(ann):
    set_up(with_password(), ann)
    client = with_password()
    for _ in range(3):
        page = client.post(reverse("admin:second_step"), {"code": "000000"}).content.decode()
    assert "Too many wrong codes. Try again in" in page


def test_a_reset_makes_the_next_login_set_up_anew_and_ends_what_was_signed_in(ann):
    client = with_password()
    set_up(client, ann)
    boss = ensure_staff("bea", PASSWORD, "administrator")
    reset_second_step(ann, actor=boss)
    assert client.get(reverse("admin:index")).status_code == 302
    assert "data:image" in with_password().get(reverse("admin:second_step")).content.decode()
    assert AuditEntry.objects.get(action="second_step.reset").actor == boss


def test_it_leads_nowhere_outside(ann):
    set_up(with_password(), ann)
    client = with_password()
    data = {"code": code_now(ann, steps=1), "next": "https://elsewhere.example/"}
    assert client.post(reverse("admin:second_step"), data)["Location"] == reverse("admin:index")


def test_strangers_are_sent_to_the_login():
    assert Client().get(reverse("admin:second_step"))["Location"] == reverse("admin:login")
