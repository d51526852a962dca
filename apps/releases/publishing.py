"""From a draft to what is live: publish, staged rollout, roll back, and the emergency door.

Everything that moves the pointer takes its lock first and writes the audit entry in the same transaction, so
that readers see one release or the other, whole, and never one that nobody allowed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from apps.common.clock import now
from apps.common.errors import Conflict, Denied, Problem, Unprocessable
from apps.policies.schema import validate_content
from apps.releases.approvals import approve, must_be_publishable, second_person_missing
from apps.releases.audit import PUBLISH, must_be_approver, record
from apps.releases.ends import give_end
from apps.releases.locks import locked_draft, locked_pointer
from apps.releases.models import Emergency, LiveRelease, Release, Revision
from apps.releases.notices import notify
from apps.releases.params import digest_of
from apps.releases.pointer import move_pointer

STAGES = (1, 10, 50, 100)  # percent of the viewers


def publish_revision(
    revision: Revision,
    *,
    actor: User | None,
    note: str,
    version: int | None = None,
    staged: bool = False,
    emergency: bool = False,
    ends_at: datetime | None = None,
) -> Release:
    """Makes the draft the next release: the live one, or with `staged` the candidate for 1 % of viewers.

    An approver who wrote nothing in it approves by publishing. `emergency` needs no second person, but a note
    and a review by somebody else afterwards. At `ends_at` what is live now comes back by itself (ends.py).
    Without an actor the system publishes (commands, tests): no approval. Conflict when another release went
    live since the draft was started, or when the draft was edited after `version`; Denied without approval;
    see approvals.must_be_publishable, ends.must_be_an_end.
    """
    must_be_approver(actor)
    with transaction.atomic():
        pointer = locked_pointer()
        draft = locked_draft(revision, version)
        must_be_current(draft, pointer)
        if actor is not None:
            must_be_allowed(draft, pointer, actor, emergency=emergency, note=note)
        release = _new_release(validate_content(draft.content), note=note, actor=actor)
        if ends_at is not None:
            give_end(release, back_to=pointer.stable, at=ends_at, actor=actor)
        draft.status, draft.release = Revision.Status.PUBLISHED, release
        draft.publish_at = draft.ends_at = None
        draft.save(update_fields=["status", "release", "publish_at", "ends_at", "updated_at"])
        if staged:
            _begin_rollout(pointer, release, actor=actor, note=note)
        else:
            move_pointer(pointer, release, actor=actor, action="release.published", note=note)
        if emergency and actor is not None:
            _emergency(release, actor, note)
    return release


def roll_back(
    to: Release,
    *,
    actor: User | None,
    note: str,
    expected_live: int | None = None,
) -> Release:
    """Makes an earlier release live again for everybody, and ends a staged rollout. Conflict unless
    `expected_live`, which they saw, is live."""
    must_be_approver(actor)
    with transaction.atomic():
        pointer = locked_pointer()
        if expected_live is not None and pointer.stable_id != expected_live:
            raise Conflict(f"Release {pointer.stable_id} went live meanwhile.", code="release_changed")
        if pointer.stable_id == to.number and pointer.candidate_id is None:
            raise Conflict(f"Release {to.number} is live already.", code="release_live")
        _must_have_been_live(to)
        move_pointer(pointer, to, actor=actor, action="release.rolled_back", note=note)
    return to


def step_up(*, actor: User | None, expected: int | None = None) -> LiveRelease:
    """The next stage of the rollout; after 100 % the candidate is the stable release. `expected`: the
    percentage that the caller saw."""
    must_be_approver(actor)
    with transaction.atomic():
        pointer = _with_candidate(expected)
        assert pointer.candidate is not None
        following = next((stage for stage in STAGES if stage > pointer.candidate_percentage), None)
        if following is None:
            move_pointer(
                pointer, pointer.candidate, actor=actor, action="release.published", note="Rollout done"
            )
        else:
            _to_stage(pointer, following, actor=actor)
    return pointer


def turn_back(*, actor: User | None, reason: str, expected: int | None = None) -> LiveRelease:
    """Ends the staged rollout: the stable release serves everybody."""
    must_be_approver(actor)
    with transaction.atomic():
        pointer = _with_candidate(expected)
        number = pointer.candidate_id
        move_pointer(pointer, pointer.stable, actor=actor, action="rollout.turned_back", note=reason)
        notify(
            f"turned back {number}",
            f"Release {number} was taken back from its staged rollout",
            f"{reason}\nRelease {pointer.stable_id} serves everybody again.",
            permission=PUBLISH,
        )
    return pointer


def review_emergency(emergency: Emergency, *, actor: User, review: str) -> Emergency:
    """Somebody else looked at it afterwards."""
    must_be_approver(actor)
    if emergency.by_id == actor.pk:
        raise Denied("Somebody else must review it.", code="own_emergency")
    review = review.replace("\x00", "").strip()
    if not 1 <= len(review) <= 200:
        raise Problem("Say what you found, in 1 to 200 letters.", field="review")
    with transaction.atomic():
        row = Emergency.objects.select_for_update().get(pk=emergency.pk)
        if row.reviewed_at is not None:
            raise Conflict("Somebody reviewed it meanwhile.", code="reviewed")
        row.reviewed_by, row.reviewed_at, row.review = actor, now(), review
        row.save()
        record(actor, "emergency.reviewed", f"release {row.release_id}", None, {"review": review})
    return row


def first_release(content: dict[str, Any]) -> None:
    """Release 1 and the pointer to it, where there is none."""
    release = Release.objects.order_by("-number").first()
    release = release or _new_release(
        validate_content(content), note="The policies every installation starts with.", actor=None
    )
    LiveRelease.objects.create(id=1, stable=release)
    record(None, "release.published", f"release {release.number}", None, {"note": release.note})


def must_be_current(draft: Revision, pointer: LiveRelease) -> None:
    """Raises Conflict `rollout_running`, `release_changed`."""
    if pointer.candidate_id is not None:
        raise Conflict(
            f"Release {pointer.candidate_id} is being rolled out in stages: finish that or turn it back.",
            code="rollout_running",
        )
    if draft.based_on_id != pointer.stable_id:
        raise Conflict(
            f"Release {pointer.stable_id} went live after this draft was started. "
            "Bring the draft up to date first.",
            code="release_changed",
        )


def must_be_allowed(
    draft: Revision, pointer: LiveRelease, actor: User, *, emergency: bool, note: str
) -> None:
    """Raises Denied `second_person_needed`, and what must_be_publishable does. Whoever did not write in the
    draft approves it by this."""
    must_be_publishable(draft, pointer.stable)
    if emergency:
        if not note.strip():
            raise Problem("An emergency needs a reason.", code="reason_missing", field="note")
        return
    wrote = draft.contributors.filter(pk=actor.pk).exists()
    if not wrote:
        approve(draft, draft.version, actor=actor)
    elif missing := second_person_missing(draft, pointer.stable):
        raise Denied(missing, code="second_person_needed")


def _must_have_been_live(release: Release) -> None:
    """A candidate that was turned back was never allowed for everybody."""
    from apps.common.models import AuditEntry

    was = AuditEntry.objects.filter(action="release.published", subject=f"release {release.number}")
    if not was.exists():
        raise Unprocessable(f"Release {release.number} was never live for everybody.", code="never_live")


def _new_release(content: dict[str, Any], *, note: str, actor: User | None) -> Release:
    """The next number without a gap: the caller holds the pointer's lock, so nobody else can draw it."""
    last = Release.objects.aggregate(last=Max("number"))["last"] or 0
    return Release.objects.create(
        number=last + 1, content=content, digest=digest_of(content), note=note[:200], published_by=actor
    )


def _begin_rollout(pointer: LiveRelease, release: Release, *, actor: User | None, note: str) -> None:
    pointer.candidate, pointer.salt = release, f"rollout-{release.number}"
    record(actor, "rollout.started", f"release {release.number}", {"live": pointer.stable_id}, {"note": note})
    _to_stage(pointer, STAGES[0], actor=actor)


def _to_stage(pointer: LiveRelease, percentage: int, *, actor: User | None) -> None:
    before = {"percentage": pointer.candidate_percentage}
    pointer.candidate_percentage, pointer.stage_since, pointer.moved_at = percentage, now(), now()
    pointer.save()
    record(actor, "rollout.stage", f"release {pointer.candidate_id}", before, {"percentage": percentage})


def _with_candidate(expected: int | None) -> LiveRelease:
    pointer = locked_pointer()
    if pointer.candidate_id is None:
        raise Conflict("No release is being rolled out.", code="no_rollout")
    if expected is not None and pointer.candidate_percentage != expected:
        raise Conflict("The rollout went on meanwhile.", code="rollout_changed")
    return pointer


def _emergency(release: Release, actor: User, reason: str) -> None:
    Emergency.objects.create(release=release, by=actor, reason=reason[:200])
    record(actor, "emergency.published", f"release {release.number}", None, {"reason": reason})
    notify(
        f"emergency {release.number}",
        f"Emergency: release {release.number} was published by one person",
        f"{actor.get_username()} published it alone: {reason}\nSomebody else must review it.",
        permission=PUBLISH,
    )
