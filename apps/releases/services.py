"""The one door to drafts and releases: start, edit, publish, roll back, discard.

Each takes who acts, and writes the rows and the audit entry in one transaction. Whoever is second gets a
Conflict; nothing is overwritten silently. Web processes notice a moved pointer by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F, Max

from apps.common.clock import now
from apps.common.errors import Conflict, Denied, Problem
from apps.common.models import AuditEntry
from apps.policies.difference import difference, put_difference
from apps.policies.schema import PARTS, carry_over, default_content, put, validate_content
from apps.releases.locks import locked_pointer
from apps.releases.models import LiveRelease, Release, Revision
from apps.releases.params import digest_of
from apps.releases.selectors import live_release
from apps.surfaces.selectors import active_surfaces

PUBLISH = "releases.publish_release"


def ensure_first_release(**_: Any) -> None:
    """Publishes release 1 with the default policies where nothing is live yet. Runs after each migrate."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('releases.first'))")
        if LiveRelease.objects.exists():
            return
        release = Release.objects.order_by("-number").first() or _first_release()
        LiveRelease.objects.create(id=1, stable=release)
        _record(None, "release.published", f"release {release.number}", None, {"note": release.note})


def start_revision(*, actor: User | None, title: str = "") -> Revision:
    """A new draft that says what the live release says."""
    with transaction.atomic():
        release = live_release()
        kinds = {key: surface.kind for key, surface in active_surfaces().items()}
        revision = Revision.objects.create(
            title=title or f"After release {release.number}",
            content=carry_over(release.content, kinds),
            based_on=release,
            author=actor,
        )
        _record(actor, "revision.started", f"draft {revision.pk}", None, {"based_on": release.number})
    return revision


def edit_revision(
    revision: Revision, version: int, changes: Mapping[str, Any], *, actor: User | None = None
) -> Revision:
    """Sets values by path ("dating.weights.affinity", "dating.rules", "flags", "governance.small_reach").

    `version` is the one the editor saw.

    Raises Conflict on another version, PolicyInvalid with all refusals at once; then nothing is saved.
    """
    with transaction.atomic():
        draft = _locked_draft(revision)
        if draft.version != version:
            raise Conflict("Somebody saved this draft after you opened it.", code="draft_changed")
        content = deepcopy(draft.content)
        for path, value in changes.items():
            _put(content, path, value)
        _save_draft(draft, validate_content(content), actor=actor, action="revision.edited")
    return draft


def bring_up_to_date(revision: Revision, version: int, *, actor: User | None = None) -> Revision:
    """Puts the draft's own changes upon the live release; where both changed a value, the draft's stays."""
    with transaction.atomic():
        draft = _locked_draft(revision)
        if draft.version != version:
            raise Conflict("Somebody saved this draft after you opened it.", code="draft_changed")
        release = live_release()
        kinds = {key: surface.kind for key, surface in active_surfaces().items()}
        content = carry_over(release.content, kinds)
        for line in difference(draft.based_on.content if draft.based_on else {}, draft.content):
            if line.key != "surface" and (not line.surface or line.surface in content["surfaces"]):
                put_difference(content, line)
        draft.based_on = release
        _save_draft(draft, validate_content(content), actor=actor, action="revision.brought_up_to_date")
    return draft


def publish_revision(
    revision: Revision, *, actor: User | None, note: str, version: int | None = None
) -> Release:
    """Makes the draft the next release and the live one.

    Conflict when another release went live since the draft was started, or when the draft was edited after
    `version`, the one the approver looked at.
    """
    _must_be_approver(actor)
    with transaction.atomic():
        pointer = locked_pointer()
        draft = _locked_draft(revision)
        if version is not None and draft.version != version:
            raise Conflict("Somebody saved this draft after you opened it.", code="draft_changed")
        if draft.based_on_id != pointer.stable_id:
            raise Conflict(
                f"Release {pointer.stable_id} went live after this draft was started. "
                "Bring the draft up to date first.",
                code="release_changed",
            )
        content = validate_content(draft.content)
        release = _new_release(content, note=note, actor=actor)
        draft.status, draft.release = Revision.Status.PUBLISHED, release
        draft.save(update_fields=["status", "release", "updated_at"])
        _move(pointer, release, actor=actor, action="release.published", note=note)
    return release


def roll_back(to: Release, *, actor: User | None, note: str, expected_live: int | None = None) -> Release:
    """Makes an earlier release live again. Conflict unless `expected_live`, which they saw, is live."""
    _must_be_approver(actor)
    with transaction.atomic():
        pointer = locked_pointer()
        if expected_live is not None and pointer.stable_id != expected_live:
            raise Conflict(f"Release {pointer.stable_id} went live meanwhile.", code="release_changed")
        if pointer.stable_id == to.number:
            raise Conflict(f"Release {to.number} is live already.", code="release_live")
        _move(pointer, to, actor=actor, action="release.rolled_back", note=note)
    return to


def discard_revision(revision: Revision, *, actor: User | None) -> None:
    """Puts a draft aside. It can't be edited or published any more."""
    with transaction.atomic():
        draft = _locked_draft(revision)
        draft.status = Revision.Status.DISCARDED
        draft.save(update_fields=["status", "updated_at"])
        _record(actor, "revision.discarded", f"draft {draft.pk}", {"title": draft.title}, None)


def _first_release() -> Release:
    kinds = {key: surface.kind for key, surface in active_surfaces().items()}
    content = validate_content(default_content(kinds or None))
    return _new_release(content, note="The policies every installation starts with.", actor=None)


def _new_release(content: dict[str, Any], *, note: str, actor: User | None) -> Release:
    """The next number without a gap: the caller holds the pointer's lock, so nobody else can draw it."""
    last = Release.objects.aggregate(last=Max("number"))["last"] or 0
    return Release.objects.create(
        number=last + 1, content=content, digest=digest_of(content), note=note[:200], published_by=actor
    )


def _put(content: dict[str, Any], path: str, value: Any) -> None:
    first, _, key = path.partition(".")
    if first in content["surfaces"]:
        put(content["surfaces"][first], key, value)
    elif first in PARTS - {"surfaces"}:
        put(content, path, value)
    else:
        raise Problem(f"The draft has no surface {first}.", field=path)


def _locked_draft(revision: Revision) -> Revision:
    draft = Revision.objects.select_for_update(of=("self",)).select_related("based_on").get(pk=revision.pk)
    if draft.status != Revision.Status.DRAFT:
        raise Conflict(f"This draft was {draft.get_status_display().lower()} meanwhile.", code="draft_closed")
    return draft


def _save_draft(draft: Revision, content: dict[str, Any], *, actor: User | None, action: str) -> None:
    lines = difference(draft.content, content)
    draft.content = content
    draft.version = F("version") + 1
    draft.save(update_fields=["content", "version", "based_on", "updated_at"])
    draft.refresh_from_db(fields=["version"])
    before = {line.path: line.before for line in lines}
    _record(actor, action, f"draft {draft.pk}", before, {line.path: line.after for line in lines})


def _move(pointer: LiveRelease, release: Release, *, actor: User | None, action: str, note: str) -> None:
    before = {"live": pointer.stable_id, "candidate": pointer.candidate_id}
    pointer.stable, pointer.candidate, pointer.candidate_percentage = release, None, 0
    pointer.moved_at = now()
    pointer.save()
    after = {"live": release.number, "note": note, "digest": release.digest}
    _record(actor, action, f"release {release.number}", before, after)


def _must_be_approver(actor: User | None) -> None:
    if actor is not None and not actor.has_perm(PUBLISH):
        raise Denied("Only approvers may publish or roll back.", code="approver_needed")


def _record(actor: User | None, action: str, subject: str, before: Any, after: Any) -> None:
    AuditEntry.objects.create(
        actor=actor,
        actor_name=actor.get_username() if actor else "system",
        action=action,
        subject=subject,
        before=before,
        after=after,
    )
