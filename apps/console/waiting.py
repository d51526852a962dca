"""What waits for staff, for the top of the first page: approvals, emergencies, rollouts, rules that end soon.

Reads releases and the audit trail; gives plain rows, the most urgent first. The same things are mailed
(apps.releases.notices).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse

from apps.common.clock import now
from apps.common.models import AuditEntry
from apps.policies.conflicts import SOON
from apps.policies.fields import moment
from apps.releases.models import Notice, Revision
from apps.releases.selectors import live_release, rollout, switched_off, unreviewed_emergencies

LATELY = timedelta(days=3)
ASKING = {
    Revision.Status.REVIEW: ("approval asked for", "warn"),
    Revision.Status.APPROVED: ("approved, not live yet", "info"),
    Revision.Status.SCHEDULED: ("scheduled", "info"),
}


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
    content = live_release().content
    return [
        *_emergencies(),
        *_refused(),
        *_rolled_out(),
        *_drafts(),
        *_ending(content),
        *_off(),
    ]


def _emergencies() -> Iterator[Waiting]:
    for one in unreviewed_emergencies():
        said = f"{one.by or 'Somebody'} published it alone: {one.reason} Somebody else must review it."
        title = f"Emergency: release {one.release_id}"
        yield Waiting("not reviewed", "bad", title, said, reverse("admin:releases"), one.at)


def _refused() -> Iterator[Waiting]:
    """What the system did by itself of late: rollouts taken back, scheduled drafts not published."""
    acts = AuditEntry.objects.filter(
        actor=None,
        action__in=("rollout.turned_back", "revision.schedule_refused"),
        at__gte=now() - LATELY,
    )
    for act in acts.order_by("-at")[:20]:
        why, number = act.after or {}, act.subject.rpartition(" ")[2]
        if act.action == "rollout.turned_back":
            taken = (act.before or {}).get("candidate") or number
            title, said = f"Release {taken} was taken back by itself", str(why.get("note", ""))
            yield Waiting("rolled back", "bad", title, said, reverse("admin:release", args=[taken]), act.at)
        else:
            title, said = "A scheduled draft was not published", str(why.get("why", ""))
            page = reverse("admin:draft_review", args=[number])
            yield Waiting("not published", "bad", title, said, page, act.at)


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


def _ending(content: Mapping[str, Any]) -> Iterator[Waiting]:
    """Rules, flags and experiments of the live release that end within three days."""
    at = now()
    for kind, title, owner, ends_at in _dated(content):
        left = (moment(ends_at) - at).total_seconds()
        if 0 < left < SOON:
            page = reverse("admin:entries", args=[kind])
            said = f"Owner: {owner}. Prolong it in a draft, or let it end."
            yield Waiting("ends soon", "warn", title, said, page, moment(ends_at))


def _dated(content: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for surface, policy in content["surfaces"].items():
        for rule in policy.get("rules", []):
            yield "rules", f"{rule['name']} on {surface}", rule["owner"], rule["ends_at"]
    for kind in ("flags", "experiments"):
        for one in content.get(kind, []):
            yield kind, one["name"], one["owner"], one["ends_at"]


def _off() -> Iterator[Waiting]:
    for name, one in switched_off().items():
        said = f"By {one.by or 'the system'}: {one.reason}"
        yield Waiting("switched off", "warn", name, said, reverse("admin:releases"), one.at)
