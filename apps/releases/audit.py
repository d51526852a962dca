"""Who may publish, and the audit entry of everything done to drafts, releases and switches."""

from __future__ import annotations

from django.contrib.auth.models import User

from apps.common.audit import record as record
from apps.common.errors import Denied

PUBLISH = "releases.publish_release"


def must_be_approver(actor: User | None) -> None:
    """Raises Denied. The system may: what it does on a schedule, somebody allowed before."""
    if actor is not None and not actor.has_perm(PUBLISH):
        raise Denied("Only approvers may do this.", code="approver_needed")
