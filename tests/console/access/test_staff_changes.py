"""What one person gives to somebody of the staff waits for a second one; until then they may only look."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from apps.common.models import AuditEntry
from apps.releases.models import Notice, StaffChange, SurfaceLimit
from tests.console.inputs import inputs_of
from tests.console.people import staff

pytestmark = pytest.mark.django_db
PUBLISH = "releases.publish_release"


def may(user: User, permission: str) -> bool:
    return User.objects.get(pk=user.pk).has_perm(permission)


def save(client: Client, user: User, **values: object) -> None:
    address = reverse("admin:auth_user_change", args=[user.pk])
    form = inputs_of(client.get(address).content.decode())
    assert client.post(address, form | values).status_code == 302


def settle(client: Client, button: str = "confirm") -> None:
    change = StaffChange.objects.get(confirmed_at=None)
    client.post(reverse("admin:staff_change", args=[change.pk]), {"button": button})


def test_a_role_counts_once_a_second_person_confirmed_it(administrator, approver, editor):
    save(administrator, editor.user, groups=[Group.objects.get(name="Approver").pk])
    assert not may(editor.user, PUBLISH)
    assert not may(editor.user, "releases.change_revision"), "what they had before waits, too"
    assert may(editor.user, "releases.view_release")
    assert "Staff: editor" in approver.get(reverse("admin:index")).content.decode()
    for client in (administrator, editor):
        settle(client)
        assert not may(editor.user, PUBLISH), "whoever had a part in it can't confirm it"
    settle(approver)
    assert may(editor.user, PUBLISH)
    said = {"what": "gave the role Approver to the account"}
    assert AuditEntry.objects.get(action="staff.confirmed").after == said
    assert Notice.objects.filter(key__startswith="staff:").count() == 2


@pytest.mark.parametrize("how", ["password", "second step", "limit", "opened"])
def test_an_approvers_login_that_somebody_else_reset_or_opened_waits(administrator, approver, how):
    if how == "password":
        address = reverse("admin:auth_user_password_change", args=[approver.user.pk])
        said = {"password1": "a long new phrase 77", "password2": "a long new phrase 77"}
        form = inputs_of(administrator.get(address).content.decode())
        assert administrator.post(address, form | said).status_code == 302
    elif how == "second step":
        data = {"action": "reset_second_step", "_selected_action": [approver.user.pk]}
        administrator.post(reverse("admin:auth_user_changelist"), data)
    elif how == "limit":
        SurfaceLimit.objects.create(user=approver.user, surfaces=["dating"])
        save(administrator, approver.user, **{"surface_limit-0-DELETE": "on"})
    else:
        User.objects.filter(pk=approver.user.pk).update(is_active=False)
        save(administrator, approver.user, is_active="on")
    assert not may(approver.user, PUBLISH)
    second = staff("approver", "second")
    settle(second)
    assert may(approver.user, PUBLISH)


def test_whoever_waits_confirms_nobody_else(administrator, approver, editor):
    save(administrator, approver.user, groups=[Group.objects.get(name="Administrator").pk])
    StaffChange.objects.create(user=editor.user, by=administrator.user, said="gave a role")
    change = StaffChange.objects.get(user=editor.user)
    approver.post(reverse("admin:staff_change", args=[change.pk]), {"button": "confirm"})
    change.refresh_from_db()
    assert change.confirmed_at is None


def test_refusing_closes_the_account(administrator, approver, editor):
    save(administrator, editor.user, groups=[Group.objects.get(name="Approver").pk])
    settle(approver, "refuse")
    editor.user.refresh_from_db()
    assert not editor.user.is_active
    page = approver.get(reverse("admin:staff_changes")).content.decode()
    assert "Nothing waits" in page


def test_an_account_without_a_role_waits_for_nobody(administrator):
    add = reverse("admin:auth_user_add")
    form = inputs_of(administrator.get(add).content.decode())
    said = {"username": "new", "password1": "a long new phrase 77", "password2": "a long new phrase 77"}
    assert administrator.post(add, form | said).status_code == 302
    assert User.objects.filter(username="new").exists()
    assert not StaffChange.objects.exists()


def test_what_takes_rights_away_waits_for_nobody(administrator, approver):
    save(administrator, approver.user, groups=[])
    assert not StaffChange.objects.exists()
    assert not may(approver.user, PUBLISH)
