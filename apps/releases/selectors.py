"""What is live, and the draft somebody is working on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import QuerySet, Value
from django.db.models.functions import Concat

from apps.common.prepared import rows_of
from apps.releases.models import OPEN, Emergency, LiveRelease, Release, ReleaseEnd, Revision, Switch

_MARK = """
SELECT stable_id, candidate_id, candidate_percentage, salt, ARRAY(
  SELECT kind || ':' || key FROM releases_switch WHERE lifted_at IS NULL ORDER BY 1
) FROM releases_liverelease WHERE id = 1
"""
LOOKED_BACK = 100
MOST_DISCARDED = 10


@dataclass(frozen=True)
class LiveRow:
    """The pointer and what it points to, as plain values. No staged rollout: the candidate is None.

    `killed`: what is switched off at once: "flag:key", "rule:surface/id", "experiment:key".
    """

    stable_number: int
    stable_content: dict[str, Any]
    stable_digest: str
    candidate_number: int | None
    candidate_content: dict[str, Any] | None
    candidate_digest: str | None
    percentage: int
    salt: str
    killed: frozenset[str] = frozenset()


def live() -> LiveRow:
    """The live release, in one query. There is always one (see ensure_first_release)."""
    row = _with_switches().select_related("stable", "candidate").get(id=1)
    return LiveRow(
        stable_number=row.stable.number,
        stable_content=row.stable.content,
        stable_digest=row.stable.digest,
        candidate_number=row.candidate.number if row.candidate else None,
        candidate_content=row.candidate.content if row.candidate else None,
        candidate_digest=row.candidate.digest if row.candidate else None,
        percentage=row.candidate_percentage,
        salt=row.salt,
        killed=frozenset(row.killed),
    )


def live_mark() -> tuple[Any, ...] | None:
    """What tells one state of `live` from another, without the contents; None before the first release."""
    for stable, candidate, percentage, salt, killed in rows_of(_MARK):
        return stable, candidate, percentage, salt, tuple(killed)
    return None


def rollout() -> LiveRelease | None:
    """The pointer while a release is being rolled out in stages."""
    pointer = LiveRelease.objects.select_related("stable", "candidate").get(id=1)
    return pointer if pointer.candidate_id is not None else None


def switched_off() -> dict[str, Switch]:
    """The switches in force, by "kind:key"."""
    return {str(one): one for one in Switch.objects.filter(lifted_at=None).select_related("by")}


def unreviewed_emergencies() -> list[Emergency]:
    """Emergency publishes that nobody else has looked at."""
    return list(Emergency.objects.filter(reviewed_at=None).select_related("release", "by"))


def end_of(release: Release) -> ReleaseEnd | None:
    """When it ends, or what came of its end; None: it was published without."""
    return ReleaseEnd.objects.filter(release=release).first()


def ends_in_force() -> list[ReleaseEnd]:
    """Of the live release, and of the one that is being rolled out: no other end takes anything away."""
    pointer = LiveRelease.objects.get(id=1)
    ends = ReleaseEnd.objects.filter(status=ReleaseEnd.Status.WAITING)
    return list(ends.filter(release__in=[pointer.stable_id, pointer.candidate_id or 0]).order_by("at"))


def _with_switches() -> QuerySet[Any]:
    off = Switch.objects.filter(lifted_at=None).values(named=Concat("kind", Value(":"), "key")).order_by()
    return LiveRelease.objects.annotate(killed=ArraySubquery(off))


def live_release() -> Release:
    """The stable release itself."""
    return LiveRelease.objects.select_related("stable__published_by").get(id=1).stable


def open_drafts() -> list[Revision]:
    """Drafts that are neither published nor discarded, the last edited first."""
    drafts = Revision.objects.filter(status__in=OPEN)
    return list(drafts.select_related("author", "based_on").order_by("-updated_at"))


def discarded_drafts() -> list[Revision]:
    """Those discarded last, which can be brought back."""
    drafts = Revision.objects.filter(status=Revision.Status.DISCARDED)
    return list(drafts.select_related("author").order_by("-updated_at")[:MOST_DISCARDED])


def draft_to_continue() -> Revision | None:
    """The draft that was edited last, of those that an edit takes nothing back from."""
    return next((one for one in open_drafts() if one.status == Revision.Status.DRAFT), None)


def release_before(release: Release) -> Release | None:
    """The release with the next lower number."""
    return Release.objects.filter(number__lt=release.number).order_by("-number").first()


def past_experiments() -> dict[str, tuple[int, dict[str, Any]]]:
    """Experiments of the latest LOOKED_BACK releases that are not live any more, the latest first: key to the
    last release that had it, and what that said of it."""
    latest = Release.objects.order_by("-number").values_list("number", "content__experiments")[:LOOKED_BACK]
    live_keys = {one["key"] for one in live_release().content.get("experiments", [])}
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, experiments in latest:
        for one in experiments or []:
            if one["key"] not in live_keys:
                found.setdefault(one["key"], (number, one))
    return found
