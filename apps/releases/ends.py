"""The end of a release: at its time the one before comes back by itself, as a roll-back would bring it.

An end is given with the publish, moved or cancelled by approvers, and kept by the clock. It takes away its
own release alone, live or in a staged rollout: where another went live meanwhile it does nothing, and
approvers are told.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.common.clock import now
from apps.common.errors import Conflict, Problem
from apps.policies.fields import LONGEST
from apps.releases.audit import PUBLISH, must_be_approver, record
from apps.releases.locks import locked_pointer
from apps.releases.models import LiveRelease, Release, ReleaseEnd
from apps.releases.notices import notify
from apps.releases.pointer import move_pointer

Status = ReleaseEnd.Status


def must_be_an_end(at: datetime, *, after: datetime) -> None:
    """Raises Problem `end_before_start`, `end_too_late`."""
    if at <= after:
        raise Problem("It must end after it goes live.", code="end_before_start", field="ends_at")
    if at - after > LONGEST:
        raise Problem(f"It must end within {LONGEST.days} days.", code="end_too_late", field="ends_at")


def give_end(release: Release, *, back_to: Release, at: datetime, actor: User | None) -> None:
    """The end of a release that is being published, while `back_to` is live."""
    must_be_an_end(at, after=now())
    ReleaseEnd.objects.create(release=release, back_to=back_to, at=at, given_at=now(), given_by=actor)
    said = {"at": at.isoformat(), "back_to": back_to.number}
    record(actor, "release.end_given", f"release {release.number}", None, said)


def move_end(release: Release, *, actor: User | None, at: datetime, seen: datetime) -> ReleaseEnd:
    """Another time for an end that waits. `seen`: the one they saw; Conflict when it is another by now."""
    must_be_approver(actor)
    must_be_an_end(at, after=now())
    with transaction.atomic():
        end = _waiting_end(release, seen)
        end.at = at
        end.save(update_fields=["at"])
        before, after = {"at": seen.isoformat()}, {"at": at.isoformat()}
        record(actor, "release.end_moved", f"release {release.number}", before, after)
    return end


def cancel_end(release: Release, *, actor: User | None, seen: datetime) -> ReleaseEnd:
    """The release stays until somebody publishes another or rolls back. `seen` as in move_end."""
    must_be_approver(actor)
    with transaction.atomic():
        end = _waiting_end(release, seen)
        who = actor.get_username() if actor else "the system"
        _settle(end, Status.CANCELLED, f"Cancelled by {who}: it stays until somebody changes that.")
        record(actor, "release.end_cancelled", f"release {release.number}", {"at": end.at.isoformat()}, None)
    return end


def end_due(prepare: Callable[[Release], None] = lambda _: None) -> int:
    """Ends what is due; for how many the release before came back. Run twice, or late, it does the same.
    `prepare` makes ready what web processes need of the release that comes back."""
    due = ReleaseEnd.objects.filter(status=Status.WAITING, at__lte=now()).order_by("at", "pk")
    done = 0
    for end in due.select_related("back_to"):
        prepare(comes_back(end))
        done += _end_if_due(end)
    return done


def comes_back(end: ReleaseEnd) -> Release:
    """The release before; where its own end came while this one was live, what it would have given way to."""
    missed = ReleaseEnd.objects.filter(release=end.back_to, status=Status.MISSED, at__gte=end.given_at)
    earlier = missed.select_related("back_to").first()
    return end.back_to if earlier is None else comes_back(earlier)


def _end_if_due(end: ReleaseEnd) -> bool:
    with transaction.atomic():
        pointer = locked_pointer()
        row = ReleaseEnd.objects.select_for_update(of=("self",)).select_related("back_to").get(pk=end.pk)
        if row.status != Status.WAITING or row.at > now():
            return False  # somebody was faster, or moved it
        back = pointer.stable if pointer.candidate_id == row.release_id else comes_back(row)
        if overtaken := _overtaken(row, pointer, back):
            _miss(row, overtaken, tell=pointer.stable_id != back.number)
            return False
        said = f"Release {row.release_id} ended; release {back.number} came back by itself."
        _settle(row, Status.ENDED, said)
        move_pointer(pointer, back, actor=None, action="release.ended", note=said)
        notify(f"ended {row.release_id}", said, f"Its end was set to {row.at:%d %b %Y %H:%M} UTC.",
               permission=PUBLISH)  # fmt: skip
    return True


def _overtaken(end: ReleaseEnd, pointer: LiveRelease, back: Release) -> str:
    """Why the end has nothing to take away; empty: it has."""
    nothing = f"the end of release {end.release_id} did nothing."
    if pointer.candidate_id not in (None, end.release_id):
        return f"Release {pointer.candidate_id} was being rolled out: {nothing}"
    if end.release_id not in (pointer.stable_id, pointer.candidate_id):
        when = "already" if pointer.stable_id == back.number else "meanwhile"
        return f"Release {pointer.stable_id} was live {when}: {nothing}"
    return ""


def _miss(end: ReleaseEnd, why: str, *, tell: bool) -> None:
    _settle(end, Status.MISSED, why)
    record(None, "release.end_missed", f"release {end.release_id}", None, {"why": why})
    if tell:
        notify(f"end missed {end.release_id}", f"Release {end.release_id} did not end as it was set to", why,
               permission=PUBLISH)  # fmt: skip


def _settle(end: ReleaseEnd, status: ReleaseEnd.Status, said: str) -> None:
    end.status, end.said, end.settled_at = status, said, now()
    end.save(update_fields=["status", "said", "settled_at"])


def _waiting_end(release: Release, seen: datetime) -> ReleaseEnd:
    end = ReleaseEnd.objects.select_for_update().filter(release=release).first()
    if end is None or end.status != Status.WAITING:
        raise Conflict("It has no end that waits any more.", code="end_settled")
    if end.at != seen:
        raise Conflict(f"Its end was moved to {end.at:%d %b %Y %H:%M} UTC meanwhile.", code="end_changed")
    return end
