"""Live releases that nobody was allowed to publish, judged from the rows alone, after the fact.

The services refuse such a publish; this looks at what is there whoever wrote it. It asks what approvals.py
asks, of the release that was live when the draft was published, but not whether the approver is one still.
"""

from __future__ import annotations

from apps.policies.governance import GUARDS, lowers_a_guard
from apps.releases.models import Approval, Emergency, LiveRelease, Reach, Release, Revision


def unapproved_live() -> int:
    """How many of the stable and the candidate release: 0, whatever else is broken."""
    pointer = LiveRelease.objects.select_related("stable", "candidate").get(id=1)
    return sum(not _was_allowed(one) for one in (pointer.stable, pointer.candidate) if one is not None)


def _was_allowed(release: Release) -> bool:
    draft = Revision.objects.filter(release=release).select_related("based_on").first()
    if draft is None:
        return not Release.objects.filter(number__lt=release.number).exists()  # the first has no draft
    if release.published_by_id is None:
        return True  # the system: commands and tests
    return (
        _was_approved(draft, release)
        or Emergency.objects.filter(release=release).exists()
        or _reached_few(draft, release)
    )


def _was_approved(draft: Revision, release: Release) -> bool:
    writers = draft.contributors.values_list("pk", flat=True)
    given = Approval.objects.filter(revision=draft, digest=release.digest)
    return given.exclude(approver__in=list(writers)).exists()


def _reached_few(draft: Revision, release: Release) -> bool:
    before = draft.based_on
    reach = Reach.objects.filter(revision=draft, digest=release.digest, based_on=before).first()
    if before is None or reach is None:
        return False
    most = before.content.get("governance", {}).get("small_reach", GUARDS["small_reach"].default)
    return most > 0 and reach.share <= most and not lowers_a_guard(before.content, release.content)
