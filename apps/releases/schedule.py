"""Drafts that go live at a time to come.

Takes an allowed draft and a time. When the time has come, all is checked again; what may no longer go live
goes back to approved, and its approvers are told why.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.common.clock import now
from apps.common.errors import Conflict, Problem
from apps.releases.audit import PUBLISH, must_be_approver, record
from apps.releases.ends import must_be_an_end
from apps.releases.locks import locked_draft, locked_pointer
from apps.releases.models import Revision
from apps.releases.notices import notify
from apps.releases.publishing import must_be_allowed, must_be_current, publish_revision


def schedule_revision(
    revision: Revision,
    *,
    actor: User | None,
    at: datetime,
    note: str,
    version: int | None = None,
    ends_at: datetime | None = None,
) -> Revision:
    """Publishes an allowed draft at a time to come, until `ends_at`; all is checked again then."""
    must_be_approver(actor)
    if at <= now():
        raise Problem("The time must be in the future.", code="in_the_past", field="publish_at")
    if ends_at is not None:
        must_be_an_end(ends_at, after=at)
    with transaction.atomic():
        pointer = locked_pointer()
        draft = locked_draft(revision, version)
        must_be_current(draft, pointer)
        if actor is not None:
            must_be_allowed(draft, pointer, actor, emergency=False, note=note)
        draft.status, draft.publish_at, draft.ends_at = Revision.Status.SCHEDULED, at, ends_at
        draft.scheduled_by, draft.note = actor, note[:200]
        names = ["status", "publish_at", "ends_at", "scheduled_by", "note", "updated_at"]
        draft.save(update_fields=names)
        until = {} if ends_at is None else {"ends_at": ends_at.isoformat()}
        record(actor, "revision.scheduled", f"draft {draft.pk}", None, {"at": at.isoformat(), **until})
    return draft


def unschedule_revision(revision: Revision, *, actor: User | None) -> Revision:
    """Back to approved."""
    must_be_approver(actor)
    with transaction.atomic():
        draft = locked_draft(revision)
        if draft.status != Revision.Status.SCHEDULED:
            raise Conflict("It is not scheduled any more.", code="not_scheduled")
        _unschedule(draft)
        record(actor, "revision.unscheduled", f"draft {draft.pk}", None, None)
    return draft


def publish_due(prepare: Callable[[Revision], None] = lambda _: None) -> int:
    """Publishes what is due; how many. Run twice, or late, it does the same. One that may no longer be
    published goes back to approved, and its approvers are told why. `prepare` brings up to date what a
    publish needs."""
    done = 0
    due = Revision.objects.filter(status=Revision.Status.SCHEDULED, publish_at__lte=now())
    for draft in due.order_by("publish_at", "pk"):
        try:
            prepare(draft)
            done += _publish_if_due(draft)
        except Problem as problem:
            _refuse_scheduled(draft, problem)
    return done


def _unschedule(draft: Revision) -> None:
    draft.status = Revision.Status.APPROVED
    draft.publish_at = draft.ends_at = None
    draft.save(update_fields=["status", "publish_at", "ends_at", "updated_at"])


def _publish_if_due(draft: Revision) -> bool:
    """False when somebody took it off the schedule, or put it off, while it was prepared."""
    with transaction.atomic():
        locked_pointer()
        row = Revision.objects.select_for_update().get(pk=draft.pk)
        if not _stands_as(draft, row):
            return False
        publish_revision(row, actor=row.scheduled_by, note=row.note, version=row.version, ends_at=row.ends_at)
    return True


def _stands_as(draft: Revision, row: Revision) -> bool:
    return row.status == Revision.Status.SCHEDULED and row.publish_at == draft.publish_at


def _refuse_scheduled(draft: Revision, problem: Problem) -> None:
    with transaction.atomic():
        row = Revision.objects.select_for_update().get(pk=draft.pk)
        if not _stands_as(draft, row):
            return  # somebody was faster
        _unschedule(row)
        record(None, "revision.schedule_refused", f"draft {row.pk}", None, {"why": problem.detail})
        notify(
            f"refused {row.pk} {row.version} {draft.publish_at}",
            f"{row.title} was not published as scheduled",
            problem.detail,
            permission=PUBLISH,
        )
