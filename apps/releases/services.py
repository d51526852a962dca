"""The doors of this app, in one place: drafts, approvals, publishing, ends, switches; and the first release.

Each takes who acts, and writes the rows and the audit entry in one transaction. Whoever is second gets a
Conflict; nothing is overwritten silently. Web processes notice a moved pointer by themselves.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from apps.policies.schema import default_content
from apps.releases.approvals import approve, ask_for_approval, checks, record_reach
from apps.releases.audit import PUBLISH
from apps.releases.drafts import (
    bring_back,
    bring_up_to_date,
    comment_on,
    discard_revision,
    edit_revision,
    start_revision,
)
from apps.releases.ends import cancel_end, end_due, move_end
from apps.releases.models import LiveRelease
from apps.releases.publishing import (
    first_release,
    publish_revision,
    review_emergency,
    roll_back,
    step_up,
    turn_back,
)
from apps.releases.schedule import publish_due, schedule_revision, unschedule_revision
from apps.releases.switches import lift, switch_off
from apps.surfaces.selectors import active_surfaces

__all__ = [
    "PUBLISH",
    "approve",
    "ask_for_approval",
    "bring_back",
    "bring_up_to_date",
    "cancel_end",
    "checks",
    "comment_on",
    "discard_revision",
    "edit_revision",
    "end_due",
    "ensure_first_release",
    "lift",
    "move_end",
    "publish_due",
    "publish_revision",
    "record_reach",
    "review_emergency",
    "roll_back",
    "schedule_revision",
    "start_revision",
    "step_up",
    "switch_off",
    "turn_back",
    "unschedule_revision",
]


def ensure_first_release(**_: Any) -> None:
    """Publishes release 1 with the default policies where nothing is live yet. Runs after each migrate."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('releases.first'))")
        if not LiveRelease.objects.exists():
            kinds = {key: surface.kind for key, surface in active_surfaces().items()}
            first_release(default_content(kinds or None))
