"""Who must agree before a draft goes live, and what stands in its way.

An approval is of one content, by an approver who did not write in the draft. A change that reaches few and
lowers no guard needs none; both are judged by the live release, not by what the draft says of itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction

from apps.common.clock import now
from apps.common.errors import Conflict, Denied, Unprocessable
from apps.policies.conflicts import conflicts
from apps.policies.difference import difference
from apps.policies.experiments import experiment_refusals, touched_experiments
from apps.policies.governance import GUARDS, lowers_a_guard
from apps.policies.schema import PolicyInvalid, validate_content
from apps.releases.audit import PUBLISH, must_be_approver, record
from apps.releases.locks import locked_draft
from apps.releases.models import Approval, Reach, Release, Revision
from apps.releases.notices import notify
from apps.releases.params import digest_of
from apps.releases.rights import must_be_editor
from apps.releases.selectors import live_release

REACH_FRESH = timedelta(hours=24)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `level`: stop (publishing is refused), warn, or good."""

    level: str
    sentence: str


def ask_for_approval(revision: Revision, version: int, *, actor: User | None) -> Revision:
    """Fixes the draft's content for others to look at; an edit takes it back."""
    with transaction.atomic():
        draft = locked_draft(revision, version)
        if draft.status != Revision.Status.DRAFT:
            raise Conflict("Approval was asked for already.", code="asked_already")
        must_be_editor(actor, "Only editors may ask for approval.")
        draft.status = Revision.Status.REVIEW
        draft.save(update_fields=["status", "updated_at"])
        record(actor, "revision.approval_asked", f"draft {draft.pk}", None, {"version": draft.version})
        who = actor.get_username() if actor else "the system"
        notify(
            f"approval {draft.pk} {draft.version}",
            f"{draft.title}: approval asked for",
            f"{who} asks for approval of the draft {draft.title}. Look at its differences and reach first.",
            permission=PUBLISH,
        )
    return draft


def approve(revision: Revision, version: int, *, actor: User, note: str = "") -> Revision:
    """Says yes to this very content. Denied for who wrote in it."""
    must_be_approver(actor)
    with transaction.atomic():
        draft = locked_draft(revision, version)
        if draft.contributors.filter(pk=actor.pk).exists():
            raise Denied("Whoever wrote in a draft can't approve it.", code="own_draft")
        Approval.objects.get_or_create(
            revision=draft, digest=digest_of(draft.content), approver=actor, defaults={"note": note[:200]}
        )
        if draft.status != Revision.Status.SCHEDULED:
            draft.status = Revision.Status.APPROVED
            draft.save(update_fields=["status", "updated_at"])
        record(
            actor, "revision.approved", f"draft {draft.pk}", None, {"version": draft.version, "note": note}
        )
    return draft


def record_reach(
    revision: Revision,
    *,
    digest: str,
    based_on: int,
    viewers: int,
    of: int,
    by_surface: Mapping[str, list[int]],
    empty: Sequence[str] = (),
) -> Reach:
    """What was measured of one content against the release `based_on`. `empty`: what would meet nobody."""
    values = {
        "based_on_id": based_on, "viewers": viewers, "of": of, "by_surface": dict(by_surface),
        "empty": list(empty), "measured_at": now(),
    }  # fmt: skip
    reach, _made = Reach.objects.update_or_create(revision=revision, digest=digest, defaults=values)
    return reach


def fresh_reach(revision: Revision, live: Release) -> Reach | None:
    """The reach of the draft's content as it is, against what is live; None when it must be measured."""
    return Reach.objects.filter(
        revision=revision,
        digest=digest_of(revision.content),
        based_on=live,
        measured_at__gte=now() - REACH_FRESH,
    ).first()


def second_person_missing(revision: Revision, live: Release) -> str | None:
    """Why somebody else must still approve; None when nobody must."""
    if _is_approved(revision):
        return None
    if lowered := lowers_a_guard(live.content, revision.content):
        return f"Somebody else must approve, because a guard is lowered: {' '.join(lowered)}"
    threshold = live.content.get("governance", {}).get("small_reach", GUARDS["small_reach"].default)
    reach = fresh_reach(revision, live)
    if reach is not None and threshold > 0 and reach.share <= threshold:
        return None
    return "Somebody who did not write in this draft must approve it."


def approvals_of(revision: Revision) -> list[tuple[Approval, str]]:
    """Every approval, and why it does not count. Empty: it does. One of the content as it is, by an approver
    of today who wrote nothing in it, counts."""
    digest, writers = digest_of(revision.content), set(revision.contributors.values_list("pk", flat=True))
    found = []
    for one in revision.approvals.select_related("approver").order_by("at"):
        why = ""
        if one.digest != digest:
            why = "of an earlier content"
        elif one.approver_id in writers:
            why = "wrote in it since"
        elif not (one.approver.is_active and one.approver.has_perm(PUBLISH)):
            why = "no approver any more"
        found.append((one, why))
    return found


def refusals(revision: Revision, live: Release) -> list[str]:
    """What keeps the content itself from being published, as sentences."""
    at = now().timestamp()
    found = [
        f"{key}: {sentence}"
        for key, sentence in experiment_refusals(live.content, revision.content, at).items()
    ]
    for key, knobs in touched_experiments(live.content, revision.content, at).items():
        found.append(
            f"The experiment {key} turns {', '.join(knobs)}, which this draft changes. "
            "Raise its phase to start it anew, or end it first."
        )
    return found


def must_be_publishable(revision: Revision, live: Release) -> None:
    """Raises PolicyInvalid, Unprocessable `experiment_running`, `reach_missing`."""
    validate_content(revision.content)
    if found := refusals(revision, live):
        raise Unprocessable(found[0], code="experiment_running")
    if fresh_reach(revision, live) is None:
        raise Unprocessable(
            "How many lists this draft can touch is not measured yet, or no longer true. Measure it first.",
            code="reach_missing",
        )


def checks(revision: Revision) -> list[Check]:
    """Everything that was looked at, the worst first: what the review page shows."""
    live = live_release()
    found = [Check("stop", sentence) for sentence in _invalid(revision)]
    found += [Check("stop", sentence) for sentence in refusals(revision, live)]
    if not difference(live.content, revision.content):
        found.append(Check("warn", "The draft says what is live: publishing it changes nothing."))
    if revision.based_on_id != live.number:
        found.append(Check("stop", f"Release {live.number} went live after this draft was started."))
    reach = fresh_reach(revision, live)
    if reach is None:
        found.append(Check("stop", "Its reach is not measured yet."))
    else:
        found += [Check("warn", sentence) for sentence in reach.empty]
    if missing := second_person_missing(revision, live):
        found.append(Check("stop", missing))
    for one in conflicts(revision.content, now().timestamp()):
        found.append(Check("warn", f"{one.surface.capitalize()}: {one.sentence}"))
    order = {"stop": 0, "warn": 1, "good": 2}
    return sorted(found, key=lambda check: order[check.level]) or [
        Check("good", "Nothing stands in its way.")
    ]


def _invalid(revision: Revision) -> list[str]:
    try:
        validate_content(revision.content)
    except PolicyInvalid as refusal:
        return [f"{path}: {sentence}" for path, sentence in refusal.fields.items()]
    return []


def _is_approved(revision: Revision) -> bool:
    return any(not why for _, why in approvals_of(revision))
