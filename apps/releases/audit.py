"""The audit entry of everything done to drafts, releases and switches, in the transaction of the change."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User

from apps.common.errors import Denied
from apps.common.models import AuditEntry

PUBLISH = "releases.publish_release"


def record(actor: User | None, action: str, subject: str, before: Any, after: Any) -> None:
    """Who did what to what; nobody is the system itself."""
    AuditEntry.objects.create(
        actor=actor,
        actor_name=actor.get_username() if actor else "system",
        action=action,
        subject=subject,
        before=before,
        after=after,
    )


def must_be_approver(actor: User | None) -> None:
    """Raises Denied. The system may: what it does on a schedule, somebody allowed before."""
    if actor is not None and not actor.has_perm(PUBLISH):
        raise Denied("Only approvers may do this.", code="approver_needed")
