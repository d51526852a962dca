"""Drafts: started, edited, talked about, brought up to date, put aside and brought back.

Every edit names the version that the editor saw; the second of two gets a Conflict. An edit takes a draft
back from review, approval and schedule: approvals are of one content (approvals.py). Where it was approved,
editors and approvers are told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F

from apps.common.errors import Problem
from apps.policies.difference import Difference, difference
from apps.policies.rebase import rebased
from apps.policies.schema import PARTS, PolicyInvalid, carry_over, put, validate_content
from apps.releases.audit import record
from apps.releases.locks import locked_discarded, locked_draft
from apps.releases.models import Comment, Revision
from apps.releases.notices import notify
from apps.releases.rights import EDIT, must_be_editor, must_be_theirs, surfaces_touched
from apps.releases.selectors import live_release
from apps.surfaces.selectors import active_surfaces

Change = Callable[[dict[str, Any]], None] | Mapping[str, Any]


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
        if actor is not None:
            revision.contributors.add(actor)
        record(actor, "revision.started", f"draft {revision.pk}", None, {"based_on": release.number})
    return revision


def edit_revision(revision: Revision, version: int, change: Change, *, actor: User | None = None) -> Revision:
    """Changes a draft: by path ("dating.weights.affinity", "dating.rules", "flags",
    "governance.small_reach"), or by a function of its content. `version` is the one the editor saw.

    Raises Conflict on another version, Denied on another surface than the editor's, PolicyInvalid with all
    refusals at once; then nothing is saved.
    """
    with transaction.atomic():
        draft = locked_draft(revision, version)
        content = changed_content(draft.content, change)
        must_be_theirs(actor, surfaces_touched(difference(draft.content, content)))
        _save(draft, content, actor=actor, action="revision.edited")
    return draft


def changed_content(content: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """The content as `edit_revision` would save it. Raises PolicyInvalid."""
    found: dict[str, Any] = deepcopy(dict(content))
    if callable(change):
        change(found)
    else:
        for path, value in change.items():
            _put(found, path, value)
    return validate_content(found)


def bring_up_to_date(
    revision: Revision, version: int, *, actor: User | None = None
) -> tuple[Revision, list[Difference]]:
    """Puts the draft's own changes upon the live release. Where both changed the same differently the draft's
    stays; those are given, from what is live to what stays."""
    with transaction.atomic():
        draft = locked_draft(revision, version)
        release = live_release()
        kinds = {key: surface.kind for key, surface in active_surfaces().items()}
        base = draft.based_on.content if draft.based_on else {}
        live = carry_over(release.content, kinds)
        content, clashes = rebased(base, draft.content, live)
        try:
            content = validate_content(content)
        except PolicyInvalid:  # one's type with the other's effect, say
            content, clashes = rebased(base, draft.content, live, whole=True)
            content = validate_content(content)
        draft.based_on = release
        _save(draft, content, actor=actor, action="revision.brought_up_to_date")
    return draft, clashes


def discard_revision(revision: Revision, version: int, *, actor: User | None) -> None:
    """Puts a draft aside: it can't be edited or published until it is brought back. `version` is the one
    somebody saw.

    Raises Conflict on another version, Denied where it changes another surface than the editor's.
    """
    with transaction.atomic():
        draft = locked_draft(revision, version)
        _must_change_theirs_alone(draft, actor)
        draft.status = Revision.Status.DISCARDED
        draft.publish_at = draft.ends_at = None
        draft.save(update_fields=["status", "publish_at", "ends_at", "updated_at"])
        record(actor, "revision.discarded", f"draft {draft.pk}", {"title": draft.title}, None)


def bring_back(revision: Revision, *, actor: User | None) -> Revision:
    """Makes a discarded draft a draft again, as it was.

    Raises Conflict where it is not discarded, Denied where it changes another surface than the editor's.
    """
    must_be_editor(actor, "Only editors may bring a draft back.")
    with transaction.atomic():
        draft = locked_discarded(revision)
        _must_change_theirs_alone(draft, actor)
        draft.status = Revision.Status.DRAFT
        draft.save(update_fields=["status", "updated_at"])
        record(actor, "revision.brought_back", f"draft {draft.pk}", None, {"title": draft.title})
    return draft


def comment_on(revision: Revision, text: str, *, actor: User) -> Comment:
    """Says something about a draft."""
    text = text.replace("\x00", "").strip()
    if not 1 <= len(text) <= 1000:
        raise Problem("A comment has 1 to 1,000 letters.", field="text")
    with transaction.atomic():
        comment = Comment.objects.create(revision=revision, author=actor, text=text)
        record(actor, "revision.commented", f"draft {revision.pk}", None, {"text": text})
    return comment


def _must_change_theirs_alone(draft: Revision, actor: User | None) -> None:
    before = draft.based_on.content if draft.based_on else draft.content
    must_be_theirs(actor, surfaces_touched(difference(before, draft.content)))


def _put(content: dict[str, Any], path: str, value: Any) -> None:
    first, _, key = path.partition(".")
    if first in content["surfaces"]:
        put(content["surfaces"][first], key, value)
    elif first in PARTS - {"surfaces"}:
        put(content, path, value)
    else:
        raise Problem(f"The draft has no surface {first}.", field=path)


def _save(draft: Revision, content: dict[str, Any], *, actor: User | None, action: str) -> None:
    lines = difference(draft.content, content)
    stood = _agreed(draft)
    draft.content = content
    draft.status, draft.version = Revision.Status.DRAFT, F("version") + 1
    draft.publish_at = draft.ends_at = None
    names = ["content", "version", "status", "publish_at", "ends_at", "based_on", "updated_at"]
    draft.save(update_fields=names)
    draft.refresh_from_db(fields=["version"])
    if actor is not None:
        draft.contributors.add(actor)
    before = {line.path: line.before for line in lines}
    record(actor, action, f"draft {draft.pk}", before, {line.path: line.after for line in lines})
    if stood:
        who = actor.get_username() if actor else "The system"
        notify(
            f"taken back {draft.pk} {draft.version}",
            f"{draft.title} is a draft again",
            f"{who} saved {draft.title}, which was {stood}. It will not go live like this: somebody must "
            "approve it anew, and put it on the schedule again where it was on it.",
            permission=EDIT,
        )


def _agreed(draft: Revision) -> str:
    """What others agreed on, in words; nothing of a draft that nobody approved."""
    if draft.status == Revision.Status.SCHEDULED:
        return f"approved and scheduled for {draft.publish_at:%d %b %Y %H:%M} UTC"
    return "approved" if draft.status == Revision.Status.APPROVED else ""
