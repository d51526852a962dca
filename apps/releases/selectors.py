"""What is live, and the draft somebody is working on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import QuerySet, Value
from django.db.models.functions import Concat

from apps.releases.models import OPEN, Emergency, LiveRelease, Release, Revision, Switch

# A person published it, and nobody else approved this content, nor was its reach measured as small, nor is it
# an emergency that shows as one. Or no draft was ever it, though it isn't the first.
_UNAPPROVED = """
SELECT count(*) FROM releases_liverelease l
JOIN releases_release r ON r.number IN (l.stable_id, l.candidate_id)
LEFT JOIN releases_revision v ON v.release_id = r.number
WHERE (v.id IS NULL AND r.number > (SELECT min(number) FROM releases_release))
   OR (r.published_by_id IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM releases_approval a WHERE a.revision_id = v.id AND a.digest = r.digest
        AND a.approver_id NOT IN (
            SELECT user_id FROM releases_revision_contributors WHERE revision_id = v.id))
    AND NOT EXISTS (SELECT 1 FROM releases_reach h WHERE h.revision_id = v.id AND h.digest = r.digest)
    AND NOT EXISTS (SELECT 1 FROM releases_emergency e WHERE e.release_id = r.number))
"""


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
    names = ("stable_id", "candidate_id", "candidate_percentage", "salt", "killed")
    found = _with_switches().filter(id=1).values_list(*names).first()
    return None if found is None else (*found[:-1], tuple(sorted(found[-1])))


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


def unapproved_live() -> int:
    """How many of the live releases nobody was allowed to publish: 0, whatever else is broken."""
    with connection.cursor() as cursor:
        cursor.execute(_UNAPPROVED)
        return int(cursor.fetchone()[0])


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


def release_before(release: Release) -> Release | None:
    """The release with the next lower number."""
    return Release.objects.filter(number__lt=release.number).order_by("-number").first()
