"""Rights of staff as they are given: one person gives them, a second one confirms, until then they only look.

What a superuser does, whom only somebody at the machine can make, needs nobody else.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from apps.common.audit import record
from apps.common.clock import now
from apps.common.errors import Conflict, Denied
from apps.releases.models import StaffChange
from apps.releases.notices import notify

GIVE, PUBLISH = "auth.change_user", "releases.publish_release"  # either confirms


def note_change(user: User, what: str, *, by: User) -> None:
    """Somebody gave `user` more than they had: it waits. To be called in the transaction of the change."""
    if by.is_superuser or user.is_superuser:
        return
    change = StaffChange.objects.create(user=user, by=by, said=what)
    record(by, "staff.changed", f"staff {user.get_username()}", None, {"what": what})
    for permission in (GIVE, PUBLISH):
        notify(
            f"staff:{change.pk}:{permission}",
            f"{by} changed the rights of {user}",
            f"{by} {what} of {user}. Until a second person confirms it under Staff changes, {user} may only "
            "look. If you did not expect this, disable the account there.",
            permission=permission,
        )


def unconfirmed() -> QuerySet[StaffChange]:
    """What waits, the latest first."""
    return StaffChange.objects.filter(confirmed_at=None, user__is_active=True).select_related("user", "by")


def may_confirm(change: StaffChange, actor: User) -> bool:
    """Whoever may give rights or publish, and had no part in it."""
    had_part = actor.pk in (change.user_id, change.by_id)
    return not had_part and (actor.has_perm(GIVE) or actor.has_perm(PUBLISH))


def confirm(pk: int, *, actor: User) -> StaffChange:
    """Raises Conflict when it is settled already, Denied unless may_confirm."""
    with transaction.atomic():
        change = _waiting(pk, actor)
        change.confirmed_by, change.confirmed_at = actor, now()
        change.save(update_fields=["confirmed_by", "confirmed_at"])
        record(actor, "staff.confirmed", f"staff {change.user}", None, {"what": change.said})
    return change


def refuse(pk: int, *, actor: User) -> StaffChange:
    """Disables the account. Raises as `confirm` does."""
    with transaction.atomic():
        change = _waiting(pk, actor)
        change.user.is_active = False
        change.user.save(update_fields=["is_active"])
        record(actor, "staff.refused", f"staff {change.user}", None, {"what": change.said})
    return change


def _waiting(pk: int, actor: User) -> StaffChange:
    change = unconfirmed().select_for_update(of=("self",)).filter(pk=pk).first()
    if change is None:
        raise Conflict("Somebody settled this already.")
    if not may_confirm(change, actor):
        raise Denied("Somebody else who may give rights or publish must confirm this.", code="second_person")
    return change
