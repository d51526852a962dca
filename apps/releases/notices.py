"""Mails to staff: written in the transaction of what they tell of, sent afterwards.

A notice has a key, so that the same thing is told once however often a task runs. One that could not be sent,
or that nobody with an address may read, is tried again while it is news; a process that dies while it sends
may send it twice.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import QuerySet

from apps.common.clock import now
from apps.releases.models import Notice

log = logging.getLogger(__name__)
MOST_AT_ONCE = 50
NEWS = timedelta(days=3)
SOON = timedelta(minutes=10)  # that a notice may take


def notify(key: str, subject: str, body: str, *, permission: str) -> bool:
    """Tells everybody with this permission, once per key; False when it was told before."""
    _notice, made = Notice.objects.get_or_create(
        key=key[:120], defaults={"subject": subject[:200], "body": body, "permission": permission}
    )
    return made


def send_notices() -> int:
    """Sends what waits; how many went out."""
    sent = 0
    while sent < MOST_AT_ONCE and _send_next():
        sent += 1
    return sent


def unsent() -> tuple[int, set[str]]:
    """How many notices should have gone out, and the permissions of those that reach no address."""
    late = _waiting().filter(created_at__lt=now() - SOON)
    return late.count(), _unreachable(late)


def recipients(permission: str) -> list[str]:
    """The addresses of active staff who have it."""
    staff = User.objects.with_perm(
        permission, backend="django.contrib.auth.backends.ModelBackend", include_superusers=True
    )
    return sorted({user.email for user in staff.filter(is_staff=True) if user.email})


def _waiting() -> QuerySet[Notice]:
    return Notice.objects.filter(sent_at=None, created_at__gte=now() - NEWS)


def _unreachable(notices: QuerySet[Notice]) -> set[str]:
    permissions = set(notices.values_list("permission", flat=True))
    return {permission for permission in permissions if not recipients(permission)}


def _send_next() -> bool:
    with transaction.atomic():
        waiting = _waiting().exclude(permission__in=_unreachable(_waiting()))
        notice = waiting.select_for_update(skip_locked=True).order_by("created_at", "id").first()
        if notice is None:
            return False
        try:
            send_mail(notice.subject, notice.body, settings.DEFAULT_FROM_EMAIL, recipients(notice.permission))
        except OSError as error:
            log.warning("A mail could not be sent; it is tried again: %r", error)
            return False
        notice.sent_at = now()
        notice.save(update_fields=["sent_at"])
    return True
