"""What waits for staff, for the top of the first page: approvals, emergencies, rollouts, what ends soon.

Reads releases and the audit trail; gives plain rows, the most urgent first. The same things are mailed
(apps.releases.notices, ending).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse

from apps.common.clock import now
from apps.common.models import AuditEntry
from apps.releases.ending import endings
from apps.releases.models import Notice, Revision
from apps.releases.notices import unsent
from apps.releases.selectors import rollout, switched_off, unreviewed_emergencies
from apps.releases.staffing import unconfirmed

LATELY = timedelta(days=3)
ASKING = {
    Revision.Status.REVIEW: ("approval asked for", "warn"),
    Revision.Status.APPROVED: ("approved, not live yet", "info"),
    Revision.Status.SCHEDULED: ("scheduled", "info"),
}
ACTS = {  # of the system: mark, colour, title, page
    "rollout.turned_back": ("rolled back", "bad", "Release {} was taken back by itself", "admin:release"),
    "revision.schedule_refused": (
        "not published", "bad", "A scheduled draft was not published", "admin:draft_review",
    ),
    "release.ended": ("ended", "info", "Release {} ended", "admin:release"),
    "release.end_missed": ("did not end", "warn", "The end of release {} did nothing", "admin:release"),
}  # fmt: skip


@dataclass(frozen=True)
class Waiting:
    """One thing to look at."""

    mark: str
    colour: str
    title: str
    sentence: str
    address: str
    at: datetime | None = None


def waiting() -> list[Waiting]:
    """Everything, the most urgent first."""
    return [
        *_emergencies(),
        *_staff(),
        *_by_itself(),
        *_rolled_out(),
        *_drafts(),
        *_ending(),
        *_off(),
        *_unsent(),
    ]


def _emergencies() -> Iterator[Waiting]:
    for one in unreviewed_emergencies():
        said = f"{one.by or 'Somebody'} published it alone: {one.reason} Somebody else must review it."
        title = f"Emergency: release {one.release_id}"
        yield Waiting("not reviewed", "bad", title, said, reverse("admin:releases"), one.at)


def _staff() -> Iterator[Waiting]:
    for one in unconfirmed():
        said = f"{one.by} {one.said}. A second person must confirm it; until then {one.user} may only look."
        title = f"Staff: {one.user}"
        yield Waiting("not confirmed", "warn", title, said, reverse("admin:staff_changes"), one.at)


def _by_itself() -> Iterator[Waiting]:
    """What the system did of late: rollouts taken back, scheduled drafts not published, releases ended."""
    acts = AuditEntry.objects.filter(actor=None, action__in=ACTS, at__gte=now() - LATELY)
    for act in acts.order_by("-at")[:20]:
        why, number = act.after or {}, act.subject.rpartition(" ")[2]
        mark, colour, title, page = ACTS[act.action]
        if act.action in ("rollout.turned_back", "release.ended"):  # the entry names what is live instead
            before = act.before or {}
            number = before.get("candidate") or before.get("live") or number
        said = str(why.get("why") or why.get("note", ""))
        yield Waiting(mark, colour, title.format(number), said, reverse(page, args=[number]), act.at)


def _rolled_out() -> Iterator[Waiting]:
    pointer = rollout()
    if pointer is None:
        return
    page = reverse("admin:release", args=[pointer.candidate_id])
    title = f"Release {pointer.candidate_id} goes to {pointer.candidate_percentage}% of viewers"
    said = "It goes on, or back, by itself."
    yield Waiting("staged rollout", "info", title, said, page, pointer.stage_since)
    warnings = Notice.objects.filter(key__startswith=f"warning {pointer.candidate_id} ")
    for notice in warnings.order_by("-created_at")[:10]:
        yield Waiting("look at this", "warn", notice.subject, notice.body, page, notice.created_at)


def _drafts() -> Iterator[Waiting]:
    drafts = Revision.objects.filter(status__in=ASKING).select_related("author")
    for draft in drafts.order_by("updated_at")[:50]:
        text, colour = ASKING[Revision.Status(draft.status)]
        said = f"By {draft.author}." if draft.author else "By the system."
        page = reverse("admin:draft_review", args=[draft.pk])
        yield Waiting(text, colour, draft.title, said, page, draft.publish_at or draft.updated_at)


def _ending() -> Iterator[Waiting]:
    """What ends within three days, and whenever a release does."""
    for one in endings():
        if one.kind == "release":
            page = reverse("admin:release", args=[one.key.rpartition(" ")[2]])
        else:
            page = reverse("admin:entries", args=[one.kind])
        if one.is_soon:
            yield Waiting("ends soon", "warn", one.title, one.sentence, page, one.ends_at)
        elif one.kind == "release":
            yield Waiting("ends by itself", "info", one.title, one.sentence, page, one.ends_at)


def _unsent() -> Iterator[Waiting]:
    late, unreachable = unsent()
    if late:
        said = "The mail server does not take them: somebody who runs the servers must look."
        if unreachable:
            said = "Nobody who may act on them has an address. An administrator adds one under staff."
        title = "1 mail to staff was not sent" if late == 1 else f"{late} mails to staff were not sent"
        yield Waiting("not mailed", "warn", title, said, reverse("admin:auth_user_changelist"))


def _off() -> Iterator[Waiting]:
    for name, one in switched_off().items():
        said = f"By {one.by or 'the system'}: {one.reason}"
        yield Waiting("switched off", "warn", name, said, reverse("admin:releases"), one.at)
