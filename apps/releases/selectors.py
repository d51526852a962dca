"""What is live, and the draft somebody is working on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.releases.models import LiveRelease, Release, Revision


@dataclass(frozen=True)
class LiveRow:
    """The pointer and what it points to, as plain values. No staged rollout: the candidate is None."""

    stable_number: int
    stable_content: dict[str, Any]
    stable_digest: str
    candidate_number: int | None
    candidate_content: dict[str, Any] | None
    candidate_digest: str | None
    percentage: int
    salt: str


def live() -> LiveRow:
    """The live release, in one query. There is always one (see ensure_first_release)."""
    row = LiveRelease.objects.select_related("stable", "candidate").get(id=1)
    return LiveRow(
        stable_number=row.stable.number,
        stable_content=row.stable.content,
        stable_digest=row.stable.digest,
        candidate_number=row.candidate.number if row.candidate else None,
        candidate_content=row.candidate.content if row.candidate else None,
        candidate_digest=row.candidate.digest if row.candidate else None,
        percentage=row.candidate_percentage,
        salt=row.salt,
    )


def live_release() -> Release:
    """The stable release itself."""
    return LiveRelease.objects.select_related("stable__published_by").get(id=1).stable


def open_drafts() -> list[Revision]:
    """Drafts that are neither published nor discarded, the last edited first."""
    drafts = Revision.objects.filter(status=Revision.Status.DRAFT)
    return list(drafts.select_related("author", "based_on").order_by("-updated_at"))


def release_before(release: Release) -> Release | None:
    """The release with the next lower number."""
    return Release.objects.filter(number__lt=release.number).order_by("-number").first()
