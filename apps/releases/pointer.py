"""What is live changes here alone: the pointer's row and its audit entry, together."""

from __future__ import annotations

from django.contrib.auth.models import User

from apps.common.clock import now
from apps.releases.audit import record
from apps.releases.models import LiveRelease, Release


def move_pointer(
    pointer: LiveRelease, release: Release, *, actor: User | None, action: str, note: str
) -> None:
    """Makes a release live for everybody; a staged rollout is over. The caller holds the pointer's lock."""
    before = {"live": pointer.stable_id, "candidate": pointer.candidate_id}
    pointer.stable, pointer.candidate, pointer.candidate_percentage = release, None, 0
    pointer.stage_since, pointer.moved_at = None, now()
    pointer.save()
    after = {"live": release.number, "note": note, "digest": release.digest}
    record(actor, action, f"release {release.number}", before, after)
