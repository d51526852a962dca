"""Each look at a named member has a reason, which stands in the audit trail: who, whom, on which page, and
why.

A reason counts for an hour in one session, so that nobody types it again for the same member.
"""

from __future__ import annotations

import time

from django.contrib.auth.models import User
from django.http import HttpRequest

from apps.common.errors import Problem
from apps.common.models import AuditEntry

KEPT_SECONDS = 3600
MOST_KEPT = 50
LONGEST = 200


def reason_of(request: HttpRequest, member: str) -> str:
    """The reason that counts for this member still; empty: none."""
    at, reason = request.session.get("looks", {}).get(member, (0, ""))
    return str(reason) if time.time() - at < KEPT_SECONDS else ""


def keep_reason(request: HttpRequest, member: str, reason: str) -> str:
    """The reason that counts from now on: what was typed, else the one that was kept. Raises Problem
    `reason_missing`."""
    reason = reason.replace("\x00", "").strip()
    if not reason and (kept := reason_of(request, member)):
        return kept
    if not 3 <= len(reason) <= LONGEST:
        raise Problem(f"Say why you look, in 3 to {LONGEST} letters.", code="reason_missing", field="reason")
    looks = {k: v for k, v in request.session.get("looks", {}).items() if time.time() - v[0] < KEPT_SECONDS}
    looks.pop(member, None)
    request.session["looks"] = dict([*looks.items(), (member, (time.time(), reason))][-MOST_KEPT:])
    return reason


def log_look(request: HttpRequest, member: str, page: str, reason: str = "") -> None:
    """Writes the look down before anything is shown. Raises Problem `reason_missing`."""
    reason = keep_reason(request, member, reason)
    user = request.user
    assert isinstance(user, User)
    AuditEntry.objects.create(
        actor=user,
        actor_name=user.get_username(),
        action="member.looked_at",
        subject=f"member {member}"[:128],
        after={"page": page, "reason": reason},
    )
